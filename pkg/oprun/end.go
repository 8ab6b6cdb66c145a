package oprun

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Ended is a run that the ledger itself brought to its end.
type Ended struct {
	RunID   uuid.UUID
	Type    string
	Outcome Outcome

	Abandoned bool // from an attempt that had lost its lease
}

// EndReason is the failure code of a run that was ended without an attempt's result. The codes are stable.
type EndReason string

// The reasons.
const (
	MessageLost      EndReason = "run.message_lost"        // its payload was never kept, and the stream no longer has it
	DispatchFailed   EndReason = "run.dispatch_failed"     // no broker would ever take its message
	StaleQueued      EndReason = "run.stale_queued"        // the domain says that nothing will come of it, and it never began
	StaleRunning     EndReason = "run.stale_running"       // the domain says so, and its attempt has lost the lease
	AdapterOutOfSync EndReason = "run.adapter_out_of_sync" // the domain's own record has ended
)

// EndReasons returns every reason.
func EndReasons() []EndReason {
	return []EndReason{StaleQueued, StaleRunning, AdapterOutOfSync, MessageLost, DispatchFailed}
}

// message is what the failure summary says beside the code.
func (r EndReason) message() string {
	switch r {
	case MessageLost:
		return "the stream no longer holds the message of this run"
	case DispatchFailed:
		return "the run cannot be published as it is"
	case StaleQueued:
		return "the run waited for too long, and the domain has no work for it"
	case StaleRunning:
		return "the run's attempt is gone, and the domain has no work for it"
	case AdapterOutOfSync:
		return "the domain's own record of this run has ended"
	default:
		return "ended by housekeeping"
	}
}

// Ending asks for the end of a run that nobody holds.
type Ending struct {
	RunID        uuid.UUID
	Reason       EndReason
	Outcome      Outcome        // empty: Failed
	DispatchNo   *int           // only while this is the run's; nil: whatever it is
	Attempt      *int           // the same, of its last attempt's number
	WithoutInput bool           // only while the row has no input
	Note         map[string]any // becomes context.reconciliation, with the reason and the time
}

// End ends a run that is queued, or whose lease has ended, and promotes the follow-up that waits behind it. The answer
// is empty when the run has moved on, ended before, or is locked: whoever asks comes back to it.
func (l *Ledger) End(ctx context.Context, e Ending) (ended []Ended, err error) {
	if e.Outcome == "" {
		e.Outcome = Failed
	}
	if e.Note == nil {
		e.Note = map[string]any{}
	}
	note, err := json.Marshal(e.Note)
	if err != nil {
		return nil, fmt.Errorf("note on run %s: %w", e.RunID, err)
	}
	args := []any{rawID(e.RunID), e.DispatchNo, e.WithoutInput, string(e.Outcome), string(e.Reason), e.Reason.message(), string(note), e.Attempt}
	err = l.promoting(ctx, laneWait, []rawID{rawID(e.RunID)}, endRunSQL, args, func(rows pgx.Rows) error {
		ended, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Ended])
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("end run %s: %w", e.RunID, err)
	}
	return ended, nil
}
