package oprun

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"oprun.example/internal/failpoint"
)

// Limits of a group. All waits for locks are far below Postgres' deadlock_timeout: see contended.go.
const (
	groupBudget   = 500 * time.Millisecond // after that a transaction takes in no further jobs
	groupPatience = 2 * time.Second        // after that a call begins no further transaction
	partPatience  = 5 * time.Second        // for the statements of one round trip
	firstPart     = 8                      // statements in the first round trip (all slow, they must not reach partPatience); then eight times as many in each
)

// limits bound each statement of a group.
type limits struct{ lock, statement time.Duration }

var (
	plainLimits   = limits{lock: 200 * time.Millisecond, statement: time.Second}
	carefulLimits = limits{lock: 20 * time.Millisecond, statement: 500 * time.Millisecond} // some are known to fail, or to be blocked: it must not add up
)

// FinishQueued carries out the queued statements of many jobs and ends their runs, in as few transactions as can be:
// one, when all goes well. Each job's statements run in order, one job's after the other's. Whatever becomes of one job
// leaves its neighbours alone: a job whose statement fails is refused with its own error, one that no longer owns its
// run is fenced, one that waits for a lock or takes long is to be sent alone; nothing of these is kept, and the others
// commit. After an error the fate of all is unknown: ask Confirm before sending them again, unless it is one that [Unsent]
// knows.
func (l *Ledger) FinishQueued(ctx context.Context, batch []Queued) ([]Settled, error) {
	g := &group{ledger: l, batch: batch, settled: make([]Settled, len(batch)), until: time.Now().Add(groupPatience)}
	if err := g.settle(ctx, g.sorted()); err != nil {
		return nil, fmt.Errorf("finish %d runs with their effects: %w", len(batch), err)
	}
	return g.settled, nil
}

// group is one call of FinishQueued. Its jobs are named by their places in the batch.
type group struct {
	ledger  *Ledger
	batch   []Queued
	settled []Settled
	decided bool      // some job has its fate
	careful bool      // a statement fails, and it is to be found out whose
	until   time.Time // no further transaction after that
}

// sorted returns the jobs that can run beside each other, and decides about the others.
func (g *group) sorted() []int {
	jobs := make([]int, 0, len(g.batch))
	runs := make(map[uuid.UUID]bool, len(g.batch))
	for i, q := range g.batch {
		switch err := q.check(); {
		case err != nil:
			g.decide(i, Refused, err)
		case q.changesSettings(), runs[q.RunID]: // of two attempts of one run, one has lost it, and finish.sql answers by run
			g.decide(i, Alone, nil)
		default:
			runs[q.RunID] = true
			jobs = append(jobs, i)
		}
	}
	return jobs
}

func (q Queued) check() error {
	for n, s := range q.Statements {
		if err := s.check(); err != nil {
			return &StatementError{n + 1, err}
		}
	}
	return nil
}

func (g *group) decide(job int, fate Fate, err error) {
	g.settled[job], g.decided = Settled{fate, err}, true
}

// blame decides about a job whose statement, or whose end, the database has refused.
func (g *group) blame(job int, err error) {
	if hasCode(err, crowded...) {
		g.decide(job, Alone, nil)
		return
	}
	g.decide(job, Refused, err)
}

// settle decides about these jobs, transaction by transaction. What a transaction cannot say whose fault it is, it says
// of parts of them: a constraint that COMMIT checks, the row of a run that somebody has locked.
func (g *group) settle(ctx context.Context, jobs []int) error {
	for len(jobs) > 0 {
		if g.decided && time.Now().After(g.until) {
			g.postpone(jobs)
			return nil
		}
		left, err := g.transaction(ctx, jobs)
		if unclear(err) {
			left, err = g.suspect(ctx, jobs, err)
		}
		switch {
		case err == nil:
			jobs = left
		case Unsent(err) && g.decided:
			g.postpone(jobs)
			return nil
		case gone(err):
			return err
		case len(jobs) == 1:
			g.blame(jobs[0], err)
			return nil
		default:
			return g.apart(ctx, jobs)
		}
	}
	return nil
}

// postpone leaves jobs of which nothing was done to the next call.
func (g *group) postpone(jobs []int) {
	for _, job := range jobs {
		g.decide(job, Later, nil)
	}
}

func (g *group) apart(ctx context.Context, jobs []int) error {
	for part := range slices.Chunk(jobs, (len(jobs)+parts-1)/parts) {
		if err := g.settle(ctx, part); err != nil {
			return err
		}
	}
	return nil
}

// transaction tries these jobs in one transaction. It returns those that another has to try again; of the others, each
// has its fate. What it finds out about a statement holds only when it commits: the fault may lie in the effects of a
// neighbour that are taken back.
func (g *group) transaction(ctx context.Context, jobs []int) (left []int, err error) {
	if err := failpoint.Hit(failpoint.GroupBefore); err != nil {
		return nil, err
	}
	conn, err := g.ledger.queued.Acquire(ctx)
	if err != nil {
		return nil, &unreached{err}
	}
	defer conn.Release()
	p := &pass{group: g, began: time.Now(), bad: make(map[int]error), careful: g.careful}
	err = p.begin(ctx, conn)
	defer func() { _ = p.tx.Rollback(context.WithoutCancel(ctx)) }()
	if err != nil {
		return nil, &unreached{err}
	}
	left, err = p.play(ctx, jobs)
	if again := (*restart)(nil); errors.As(err, &again) {
		return again.jobs, nil
	}
	if err != nil {
		return nil, err
	}
	if len(p.played) > 0 {
		fenced, err := p.land(ctx)
		if len(fenced) > 0 || err != nil {
			return without(jobs, fenced), err
		}
	}
	for job, err := range p.bad {
		g.blame(job, err)
	}
	return left, nil
}

// groupOptions are what the fence counts on, whatever the caller's pool has as its default.
var groupOptions = pgx.TxOptions{IsoLevel: pgx.ReadCommitted}

func without(jobs, those []int) []int {
	return slices.DeleteFunc(slices.Clone(jobs), func(job int) bool { return slices.Contains(those, job) })
}

// land ends the runs of the jobs that have been played, and commits, unless some have lost theirs: those it returns.
func (p *pass) land(ctx context.Context) (fenced []int, err error) {
	if fenced, err = p.end(ctx); err != nil {
		return nil, err
	}
	for _, job := range fenced {
		p.decide(job, Fenced, nil)
	}
	if len(fenced) > 0 && !failpoint.Off(failpoint.GroupFence) {
		return fenced, nil
	}
	if err := commitEffects(ctx, p.tx); err != nil {
		return nil, err
	}
	if err := failpoint.Hit(failpoint.CommitAfter); err != nil {
		return nil, err
	}
	for _, job := range p.played {
		p.decide(job, Landed, nil)
	}
	return nil, nil
}

// end ends the runs of the jobs that have been played, and returns those that have lost theirs. It is sent behind all
// effects: the row of a run that were locked for longer would stall its heartbeat.
func (p *pass) end(ctx context.Context) (fenced []int, err error) {
	if err := failpoint.Hit(failpoint.FinishBefore); err != nil {
		return nil, err
	}
	results := make([]Result, len(p.played))
	for i, job := range p.played {
		results[i] = p.batch[job].Result
	}
	args, err := finishArgs(results)
	if err != nil {
		return nil, err
	}
	var done map[uuid.UUID]bool
	var batch pgx.Batch
	if p.careful { // a row that a subtransaction has changed is not one of this transaction to promote.sql
		batch.Queue(jobEndSQL)
	}
	batch.Queue(laneSettingsSQL)
	batch.Queue(groupLimitsSQL, firstWait.String(), partPatience.String())
	batch.Queue(finishSQL, args...).Query(func(rows pgx.Rows) error {
		done, err = finished(rows, len(results))
		return err
	})
	if runs := followed(results, Result.hold); len(runs) > 0 {
		batch.Queue(promoteSQL, runs)
	}
	if err := p.tx.SendBatch(ctx, &batch).Close(); err != nil {
		return nil, fmt.Errorf("end %d runs: %w", len(results), err)
	}
	for _, job := range p.played {
		if !done[p.batch[job].RunID] {
			fenced = append(fenced, job)
		}
	}
	return fenced, nil
}

// commitEffects commits effects and the ends of their runs, which have been written.
func commitEffects(ctx context.Context, tx pgx.Tx) error {
	err := failpoint.Hit(failpoint.CommitBefore)
	if err == nil {
		err = tx.Commit(ctx)
	}
	if err != nil {
		return fmt.Errorf("commit effects: %w", err)
	}
	return nil
}
