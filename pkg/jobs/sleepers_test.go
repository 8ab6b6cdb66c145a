package jobs

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
)

// 5,000 handlers that sleep hold neither a transaction nor a connection, and do not keep the next job waiting.
func TestSleepingHandlers(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	const sleepers = 5000
	var asleep atomic.Int64
	gate, next := make(chan struct{}), make(chan int64, 1)
	w := s.start(handling(func(ctx context.Context, job *Job[keyed]) error {
		if job.Args.Key == "next" {
			next <- asleep.Load()
			return writeEffect(ctx, job)
		}
		asleep.Add(1)
		defer asleep.Add(-1)
		select {
		case <-gate:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}), Config{Concurrency: 6000})
	s.publishAll(repeat(sleepers, func(i int) string { return fmt.Sprintf(`{"key":"%d"}`, i) }))
	s.eventually("all to sleep", func() bool { return asleep.Load() == sleepers })
	if n := s.count("select count(*) from pg_stat_activity where datname = current_database() and state like 'idle in transaction%'"); n != 0 {
		t.Errorf("%d sessions have a transaction open", n)
	}
	run := s.publish(`{"key":"next"}`)
	if beside := <-next; beside != sleepers {
		t.Errorf("the next job began beside %d sleepers, want all %d", beside, sleepers)
	}
	s.eventually("the next job to end", func() bool { return s.run(run).Status == "completed" })
	if n := asleep.Load(); n != sleepers {
		t.Errorf("%d handlers sleep when the next job has ended, want all %d", n, sleepers)
	}
	s.wantOneEffectEach(run)
	close(gate)
	s.settled(sleepers + 1)
	s.acknowledged()
	if n := s.count("select count(*) from oprun.operation_runs where outcome = 'succeeded' and attempt = 1"); n != sleepers+1 {
		t.Errorf("%d runs succeeded in their first attempt, want all %d", n, sleepers+1)
	}
	s.wantCountersEqualRows(w)
}
