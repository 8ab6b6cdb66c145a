package jobs

import (
	"time"

	"github.com/google/uuid"

	"oprun.example/pkg/oprun"
)

// AuditReport is what a stream and a ledger know of each other. Every message counts once among Runs, Joined,
// DeadLetters, Waiting and Unaccounted.
type AuditReport struct {
	Stream      string     `json:"stream"`
	Consumer    string     `json:"consumer"`
	FirstSeq    uint64     `json:"first_seq"` // of the messages looked at; 0: there were none
	LastSeq     uint64     `json:"last_seq"`
	Messages    int        `json:"messages"`
	Runs        int        `json:"runs"`         // have a run: their own, the same occurrence's, or the one they name
	Joined      int        `json:"joined"`       // are recorded as duplicates that another run stands for
	DeadLetters int        `json:"dead_letters"` // can never run, and are kept
	Waiting     int        `json:"waiting"`      // nothing yet, and the consumer still holds them or the grace still lasts
	Unaccounted int        `json:"unaccounted"`  // nothing, and the consumer has passed them: lost, unless somebody requeues them (I4)
	Doubled     int        `json:"doubled"`      // ended more than once: twins, two successes, or both a run and a dead letter (I2, I5)
	Offenders   []Offender `json:"offenders"`    // unaccounted and doubled messages, with their places
}

// Clean reports whether nothing was unaccounted and nothing doubled.
func (r AuditReport) Clean() bool { return r.Unaccounted == 0 && r.Doubled == 0 }

// Offender is a message that an audit has something to say about.
type Offender struct {
	Problem   string      `json:"problem"` // ProblemUnaccounted or ProblemDoubled
	Stream    string      `json:"stream"`
	Seq       uint64      `json:"seq"`
	StoreTime time.Time   `json:"store_time"`
	Subject   string      `json:"subject"`
	RunIDs    []uuid.UUID `json:"run_ids"` // of its runs; of the run that it should have, when there is none
	Detail    string      `json:"detail"`

	sighting oprun.Sighting
}

// The problems of an [Offender].
const (
	ProblemUnaccounted = "unaccounted"
	ProblemDoubled     = "doubled"
)
