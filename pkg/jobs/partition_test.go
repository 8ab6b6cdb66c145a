package jobs

import (
	"context"
	"fmt"
	"strings"
	"testing"
)

// A worker that cannot reach the ledger takes no more messages and lets go of those that it could not claim, so that
// others may have them.
func TestWorkerWithoutLedger(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.hurry()
	gate := newProxy(t, s.database)
	_, ledger := s.openLedger(gate.url)
	w := s.startOn(s.js, ledger, writing(), Config{})
	s.eventually("the worker to pull", func() bool { return s.consumer().NumWaiting > 0 })
	gate.freeze()
	const jobs = 100
	input := func(i int) string { return fmt.Sprintf(`{"key":"%d"}`, i) }
	runs := s.publishAll(repeat(jobs, input))
	s.eventually("it to have them", func() bool { return s.consumer().NumAckPending == jobs })
	s.start(writing(), Config{})
	s.settled(jobs)
	s.eventually("it to have stopped pulling", func() bool { return w.away.Load() })

	gate.thaw()
	s.acknowledged()
	s.wantOneEffectEach(runs...)
	s.eventually("it to pull again", func() bool { return s.consumer().NumWaiting > 2 })
}

// inTheMiddle are the sessions that wait for the rest of a request.
const inTheMiddle = "datname = current_database() and state = 'active' and wait_event = 'ClientRead'"

// The ends of runs arrive and the COMMIT behind them never does, and Postgres goes on to believe in their sessions, which keep
// their runs locked for hours. The worker goes on with its other jobs meanwhile; the runs end when the sessions are gone.
func TestStrandedCommits(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.hurry()
	line := newProxy(t, s.database)
	_, ledger := s.openLedger(line.url)
	s.catalog = testCatalog(t, patientJob())
	const stranded, jobs = 2 * lanes, 50
	tell := line.tearRequests(stranded, endOfCommit)
	runs := s.publishAll(repeat(stranded, func(i int) string { return fmt.Sprintf(`{"key":"stranded %d"}`, i) }))
	s.startOn(s.js, ledger, handling(func(ctx context.Context, job *Job[keyed]) error {
		if strings.HasPrefix(job.Args.Key, "stranded") {
			return writeEffect(ctx, job)
		}
		return nil
	}), Config{})
	s.eventually("the commits to be stranded", func() bool {
		return s.count("select count(*) from pg_stat_activity where "+inTheMiddle) == stranded
	})
	tell()
	s.eventually("the leases to end", func() bool {
		return s.count("select count(*) from oprun.operation_runs where lease_expires_at < now()") == stranded
	})
	for i := range jobs {
		s.publish(fmt.Sprintf(`{"key":"%d"}`, i))
	}
	s.eventually("the other jobs to end", func() bool {
		return s.count("select count(*) from oprun.operation_runs where completed_at is not null") == jobs
	})
	s.exec("select pg_terminate_backend(pid) from pg_stat_activity where " + inTheMiddle)
	s.settled(jobs + stranded)
	s.acknowledged()
	s.wantOneEffectEach(runs...)
}
