package jobstest

import (
	"context"
	_ "embed"
	"errors"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"oprun.example/internal/rig"
	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/oprun"
)

// The statements. Those that change the ledger let time pass in it, or clear it up: nobody but a bench may.
var (
	//go:embed sql/clear.sql
	clearSQL string
	//go:embed sql/dead_letter.sql
	deadLetterSQL string
	//go:embed sql/end_lease.sql
	endLeaseSQL string
	//go:embed sql/foreign.sql
	foreignSQL string
	//go:embed sql/make_due.sql
	makeDueSQL string
	//go:embed sql/runs.sql
	runsSQL string
	//go:embed sql/take_turn.sql
	takeTurnSQL string
	//go:embed sql/waiting_for_locks.sql
	waitingForLocksSQL string
)

// Dispatched is a job that a handler has asked for through a dispatcher, and which waits.
type Dispatched struct {
	ID    uuid.UUID
	Type  string
	Scope dedupe.Scope
	Input string
	RunAt time.Time
}

// runs reads what the bench's workspace has.
func (b *Bench) runs(ctx context.Context, db oprun.DB) ([]Dispatched, error) {
	rows, err := db.Query(ctx, runsSQL, b.Workspace.ID)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (d Dispatched, err error) {
		var tenant *uuid.UUID
		var home uuid.UUID
		var input *string
		err = row.Scan(&d.ID, &d.Type, &tenant, &home, &input, &d.RunAt)
		d.Scope = dedupe.Workspace(home)
		if tenant != nil {
			d.Scope = dedupe.Tenant(*tenant)
		}
		if input != nil {
			d.Input = *input
		}
		return d, err
	})
}

// known returns the ids of all runs that are there.
func (b *Bench) known() map[uuid.UUID]bool {
	b.t.Helper()
	runs, err := b.runs(b.ctx, b.Pool)
	b.check("read the runs", err)
	ids := make(map[uuid.UUID]bool, len(runs))
	for _, run := range runs {
		ids[run.ID] = true
	}
	return ids
}

// row returns a run as the ledger has it; false: it has none.
func (b *Bench) row(id uuid.UUID) (oprun.Run, bool) {
	b.t.Helper()
	run, err := b.Ledger.Run(b.ctx, id)
	if errors.Is(err, oprun.ErrNotFound) {
		return run, false
	}
	b.check("read the run", err)
	return run, true
}

// exec lets the ledger's time pass for a run.
func (b *Bench) exec(doing, statement string, run uuid.UUID) {
	b.t.Helper()
	_, err := b.Pool.Exec(b.ctx, statement, run)
	b.check(doing, err)
}

// redeliver lets the time of a delivery pass, in which its worker was to acknowledge it.
func (b *Bench) redeliver(reply string) {
	b.t.Helper()
	b.check("have a message delivered again", b.Conn.Publish(reply, []byte("-NAK")))
}

// The bench hears from its workers what they do.

func (b *Bench) noteJudged(j rig.Judged) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.judged = append(b.judged, j)
}

func (b *Bench) noteBegun(run uuid.UUID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.begun[run]++
}

func (b *Bench) mayRelay(run uuid.UUID) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.relayed[run]
}

// letRelay has relays publish this run.
func (b *Bench) letRelay(run uuid.UUID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.relayed[run] = true
}

// handled returns how often the run's handler was called.
func (b *Bench) handled(run uuid.UUID) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.begun[run]
}

// answers returns what became of the deliveries of these messages and of those that the relay has published of the run.
func (b *Bench) answers(run uuid.UUID, seqs []uint64) (answers []rig.Judged) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, j := range b.judged {
		if j.Named && j.RunID == run || slices.Contains(seqs, j.Seq) {
			answers = append(answers, j)
		}
	}
	return answers
}
