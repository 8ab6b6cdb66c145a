package torture

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"oprun.example/pkg/jobs"
)

// dispatch asks for a run in the caller's transaction.
func (a ask) dispatch(ctx context.Context, tx pgx.Tx) (runID uuid.UUID, created bool, err error) {
	options := jobs.DispatchOptions{Initiator: "torture"}
	if a.named {
		options.RequestID = a.requestID
	}
	run, err := a.world.dispatcher.With(options).DispatchTx(ctx, tx, a.scope, a.kind.jobType, a.body())
	return run.ID, run.Created, err
}

// errAbort is a caller's change of mind.
var errAbort = errors.New("the caller changed its mind")

// transaction asks in a transaction of the caller's, together with a row of its own, and sometimes takes it back.
func (c *client) transaction(ctx context.Context, number int) {
	a := c.next(number, byLedger)
	c.history.note(a.invoked())
	told := c.transact(ctx, a, 0, c.rng.Float64() < 0.12)
	if told == unknown && a.named {
		c.again = append(c.again, retry{a, time.Now().Add(time.Second), ""})
	}
	c.askAgain(a)
}

// transact notes how a caller's transaction ended: refused when nothing was sent to commit it, or when the database
// says so; unknown when it says nothing.
func (s *stage) transact(ctx context.Context, a ask, hold time.Duration, abort bool) event {
	ctx, cancel := context.WithTimeout(ctx, hold+10*time.Second)
	defer cancel()
	answer := entry{Request: a.number, Event: ok}
	tx, err := a.world.pool.Begin(ctx)
	if err == nil {
		answer.RunID, answer.Joined, err = a.inside(ctx, tx)
		if err == nil && hold > 0 {
			wait(ctx, hold)
		}
		if err == nil && abort {
			err = errAbort
		}
		if err == nil {
			err = answer.commit(ctx, tx)
			a.world.dispatcher.Wake()
		} else {
			answer.Event = refused
			_ = tx.Rollback(context.WithoutCancel(ctx))
		}
	} else {
		answer.Event = refused
	}
	if err != nil {
		answer.Error = err.Error()
	}
	s.history.note(answer)
	if answer.Event == ok && a.kind.jobType == doomedType {
		_, _ = a.world.ledger.Cancel(ctx, answer.RunID, "torture", "it was doomed") // or not: both is fine
	}
	return answer.Event
}

// inside does the caller's work: its own row, and the run.
func (a ask) inside(ctx context.Context, tx pgx.Tx) (runID uuid.UUID, joined bool, err error) {
	runID, created, err := a.dispatch(ctx, tx)
	if err != nil {
		return uuid.Nil, false, err
	}
	_, err = tx.Exec(ctx, `insert into torture.business select $1, $2
where not exists (select from torture.business where request = $1)`, a.number, runID)
	return runID, !created, err
}

// commit commits, and notes what is certain about it.
func (e *entry) commit(ctx context.Context, tx pgx.Tx) error {
	err := tx.Commit(ctx)
	var told *pgconn.PgError
	switch {
	case err == nil:
	case errors.As(err, &told) && told.Code != adminShutdown, errors.Is(err, pgx.ErrTxCommitRollback):
		e.Event = refused
	default:
		e.Event = unknown
	}
	return err
}

// adminShutdown may come in place of the answer to a commit that has happened.
const adminShutdown = "57P01"
