package jobs

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"oprun.example/pkg/oprun"
)

// Adapter knows a domain's own truth about the runs of a job type, where the work lives elsewhere as well: an export
// that another service makes, a transfer with a record of its own. The housekeeping job asks it about runs that nobody
// holds, and ends those of which it can say what became of them. Register it in [Config].Adapters.
//
// Look is asked about a batch of runs of one type and answers by run id; of a run that it leaves out nothing is known,
// and it stays as it is. Look changes nothing: it may be asked often, by any worker, and about runs that begin at this
// moment. An error says that nothing is known of the whole batch.
type Adapter interface {
	Look(ctx context.Context, runs []oprun.Candidate) (map[uuid.UUID]Truth, error)
}

// DomainState is what a domain says of a run's work.
type DomainState uint8

// The states. The zero value says that the domain does not know.
const (
	DomainUnknown DomainState = iota
	DomainWorking             // it is being done
	DomainGone                // there is no live work for it, and none will come
	DomainEnded               // it has ended, with Truth.Outcome
)

// String returns the state as logs spell it.
func (s DomainState) String() string {
	switch s {
	case DomainUnknown:
		return "unknown"
	case DomainWorking:
		return "working"
	case DomainGone:
		return "gone"
	case DomainEnded:
		return "ended"
	default:
		return fmt.Sprintf("domain state %d", uint8(s))
	}
}

// Truth is what an adapter found out about one run.
type Truth struct {
	State     DomainState
	Outcome   oprun.Outcome // of work that has ended
	Confirmed bool          // there is proof: the domain's record carries this very run's id
	Evidence  string        // what was seen: one line without payload, at most 140 characters; kept with the run
}

// ending is what becomes of a run of which this is true; false: it stays as it is. A success is never claimed without
// proof; another end needs proof too, or a run that is stale as well; and one that is merely not found is given its time.
func (t Truth) ending(c oprun.Candidate) (oprun.Ending, bool) {
	e := oprun.Ending{RunID: c.ID, DispatchNo: &c.DispatchNo, Attempt: &c.Attempt}
	switch t.State {
	case DomainEnded:
		e.Reason, e.Outcome = oprun.AdapterOutOfSync, t.Outcome
		success := t.Outcome == oprun.Succeeded || t.Outcome == oprun.PartiallySucceeded
		return e, slices.Contains(oprun.Outcomes(), t.Outcome) && (t.Confirmed || !success && c.Stale)
	case DomainGone:
		e.Reason, e.Outcome = oprun.StaleQueued, oprun.Failed
		if c.Status == "running" {
			e.Reason = oprun.StaleRunning
		}
		return e, c.Stale
	case DomainUnknown, DomainWorking:
	}
	return e, false
}
