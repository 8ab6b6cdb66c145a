package events

import (
	"time"

	"github.com/google/uuid"

	"oprun.example/pkg/dedupe"
)

// DefaultInitiator is who asked for a job that does not say.
const DefaultInitiator = "system"

const (
	// MaxRequestIDLength bounds a request id, in visible ASCII characters.
	MaxRequestIDLength = 128

	// MaxInitiatorLength bounds an initiator, in characters.
	MaxInitiatorLength = 128
)

// Job is one request to run a job, as its message tells it. Scope and Type come from the subject and from nothing
// else (I11).
type Job struct {
	Scope dedupe.Scope
	Type  string

	// Input is one strict JSON object (see [ValidInput]). It shares memory with the message.
	Input []byte

	// RunID is the run that the message names, or zero. It does not change Occurrence.
	RunID uuid.UUID

	// RequestID is the producer's id of this request, or that of its CloudEvent, or "".
	RequestID string

	// Occurrence tells this request from all others: its request id; else, when it was replayed, the recorded
	// place; else its own place. So a redelivery, a read-back and a replay are one occurrence.
	Occurrence dedupe.Occurrence

	// AcceptedAt is when a stream first stored this request: the recorded time of a replayed message, else the
	// message's own. A request older than the ledger's memory is measured by it.
	AcceptedAt time.Time

	// ReplayedFrom is where the message was recorded that this request was made of, as a new one; zero: nowhere.
	ReplayedFrom Place

	Initiator string // who asked, "system" when nobody says so

	// TraceParent and TraceState are the producer's W3C trace context, "" when there is none or none that is valid.
	TraceParent, TraceState string
}
