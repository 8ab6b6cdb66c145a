package dedupe

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"
)

// Mode says which requests of a job type share an identity.
type Mode uint8

// The modes (docs/protocol.md §4). The zero value is ActiveMode, the default of a job type.
const (
	ActiveMode  Mode = iota // one active run per identity
	RequestMode             // every request is a run of its own
	OnceMode                // one run per identity, for as long as the ledger keeps it
)

// String returns the mode as it is spelled in catalogues and hashes.
func (m Mode) String() string {
	switch m {
	case ActiveMode:
		return "active"
	case RequestMode:
		return "request"
	case OnceMode:
		return "once"
	default:
		return fmt.Sprintf("mode %d", uint8(m))
	}
}

// ParseMode reads what [Mode.String] writes.
func ParseMode(s string) (Mode, error) {
	for m := ActiveMode; m <= OnceMode; m++ {
		if m.String() == s {
			return m, nil
		}
	}
	return 0, fmt.Errorf("identity mode %q is none of active, request and once", s)
}

// Identity is what makes two jobs the same job. It is comparable: two jobs are the same exactly when their
// identities are equal.
type Identity struct {
	Scope Scope
	Type  string // the job type
	Hash  [32]byte
}

// Rule is what a job type declares of its identity: the mode and the names of the top-level inputs that count.
// No names means one identity per scope and type.
type Rule struct {
	Mode   Mode
	Inputs []string
}

// Identify returns the identity of one job. Input is the job's input, one JSON object without duplicate keys;
// the occurrence matters to RequestMode only, which must have one. The hash is frozen by testdata/identity.json.
//
// It fails with an [*InputError] when a declared input is missing or holds a number whose value RFC 8785 would
// change. What is not declared is not looked at, but for the JSON around it.
func (r Rule) Identify(scope Scope, jobType string, input []byte, occ Occurrence) (Identity, error) {
	if r.Mode == RequestMode && occ == (Occurrence{}) {
		// Without this all such requests would be one job, and all but the first would vanish as duplicates.
		return Identity{}, fmt.Errorf("identify %s: mode request needs an occurrence", jobType)
	}
	var space [2 * partsSpace]byte
	declared, err := appendCanonical(space[:0:partsSpace], input, r.Inputs)
	if err != nil {
		return Identity{}, err
	}
	p := parts(space[partsSpace:partsSpace]).text("oprun/1").text(r.Mode.String()).scope(scope, jobType).bytes(declared)
	if r.Mode == RequestMode {
		p = p.bytes(occ.distinguisher(scope, jobType))
	}
	return Identity{scope, jobType, p.sum()}, nil
}

// ScheduleIdentity returns the identity of the run that a schedule makes for one fire time: mode once, so that
// any number of consumers makes one run of it. The fire time counts in whole seconds.
func ScheduleIdentity(scope Scope, jobType, schedule string, fire time.Time) Identity {
	p := parts(nil).text("oprun/1").text(OnceMode.String()).scope(scope, jobType)
	p = p.text("schedule").text(schedule).text(fire.UTC().Format(time.RFC3339))
	return Identity{scope, jobType, p.sum()}
}

// MsgID returns the Nats-Msg-Id of a request for this identity: the broker suppresses a second message with the
// same request id inside its dedupe window. An empty request id gives the id that all requests of the identity
// share, for a publisher that coalesces.
func (id Identity) MsgID(requestID string) string {
	bare := "id/" + hex.EncodeToString(id.Hash[:])
	if requestID == "" {
		return bare
	}
	return bare + "/" + requestID
}

// RunMsgID returns the Nats-Msg-Id under which the relay publishes a run for the dispatchNo-th time. Each
// publication needs a new one: the broker swallows a used id, even after a purge.
func RunMsgID(runID uuid.UUID, dispatchNo int) string {
	return "run/" + runID.String() + "/" + strconv.Itoa(dispatchNo)
}
