package jobs

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"oprun.example/pkg/oprun"
)

// A statement that is queued when no more are taken is missed: by the commit that it is too late for, as long as that can
// be stopped, and else in the log. It never ends the process, and no run succeeds without a statement that was taken (I2).
func TestQueueTooLate(t *testing.T) {
	t.Parallel()

	t.Run("fails the commit that is ending the run, and those after it", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		w := s.start(handling(func(ctx context.Context, job *Job[keyed]) error {
			err := job.Commit(ctx, func(tx pgx.Tx) error {
				job.seal(0) // as Commit does, before it ends the run
				queueEffect(job)
				return effectIn(ctx, job)(tx)
			})
			if again := job.Commit(ctx, effectIn(ctx, job)); !errors.Is(err, errQueuedLate) || !errors.Is(again, errQueuedLate) {
				return Blocked("test.failed", "a commit was not refused")
			}
			return nil
		}), Config{})
		run := s.run(s.finished(`{"key":"a"}`))
		if n := s.count("select count(*) from effects"); n != 0 || run.Outcome != oprun.Failed {
			t.Errorf("the run ended as %s (%v) with %d effects, want failed with none", run.Outcome, run.FailureSummary, n)
		}
		s.wantCountersEqualRows(w)
	})

	t.Run("is said in the log when the commit is on its way", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		commit := s.slowCommit()
		log := &lockedLog{}
		late := make(chan struct{})
		s.start(handling(func(ctx context.Context, job *Job[keyed]) error {
			committed := make(chan error)
			go func() { committed <- job.Commit(ctx, effectIn(ctx, job)) }()
			<-commit.onItsWay
			queueEffect(job)
			close(late)
			return <-committed
		}), Config{Logger: slog.New(slog.NewTextHandler(log, nil))})
		run := s.publish(`{"key":"a"}`)
		s.eventually("the commit to be on its way", commit.waits)
		close(commit.onItsWay)
		<-late
		commit.release()
		s.settled(1)
		s.wantOneEffectEach(run)
		log.wantTooLate(t, run.String())
	})

	t.Run("is said in the log when the handler has returned", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		log := &lockedLog{}
		jobs := make(chan *Job[keyed], 1)
		s.start(handling(func(_ context.Context, job *Job[keyed]) error {
			queueEffect(job)
			jobs <- job
			return nil
		}), Config{Logger: slog.New(slog.NewTextHandler(log, nil))})
		run := s.finished(`{"key":"a"}`)
		queueEffect(<-jobs)
		s.wantOneEffectEach(run)
		log.wantTooLate(t, run.String())
	})

	t.Run("leaves nothing, or all that was taken", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		const jobs = 30
		taken := make(chan int, jobs)
		w := s.start(handling(func(ctx context.Context, job *Job[keyed]) error {
			var queueing sync.WaitGroup
			defer queueing.Wait()
			for range 4 {
				queueing.Go(func() {
					for range 20 {
						queueEffect(job)
					}
				})
			}
			err := job.Commit(ctx, func(pgx.Tx) error { return nil })
			if err == nil {
				queueing.Wait()
				taken <- len(job.queued)
			}
			return err
		}), Config{})
		s.publishAll(keys(jobs))
		s.settled(jobs)
		s.acknowledged()
		check(t, w.stop())
		close(taken)
		want := 0
		for n := range taken {
			want += n
		}
		if n := s.count("select count(*) from effects"); n != want {
			t.Errorf("%d effects, want the %d that were taken", n, want)
		}
	})
}

// slowCommit is a commit that waits in Postgres until it is released.
type slowCommit struct {
	*stack
	onItsWay chan struct{} // for the test to close when the commit waits
	release  func()
}

func (s *stack) slowCommit() *slowCommit {
	s.t.Helper()
	s.exec(`create function wait() returns trigger language plpgsql as $$ begin perform pg_advisory_xact_lock(1); return null; end $$;
		create constraint trigger waits after insert on effects deferrable initially deferred for each row execute function wait()`)
	tx := must(s.pool.Begin(s.t.Context()))(s.t)
	must(tx.Exec(s.t.Context(), "select pg_advisory_xact_lock(1)"))(s.t)
	return &slowCommit{s, make(chan struct{}), func() { _ = tx.Rollback(context.WithoutCancel(s.t.Context())) }}
}

func (c *slowCommit) waits() bool {
	return c.count("select count(*) from pg_stat_activity where datname = current_database() and wait_event = 'advisory'") == 1
}

// wantTooLate fails the test unless one line says that a statement of this run came too late.
func (l *lockedLog) wantTooLate(t testing.TB, run string) {
	t.Helper()
	var lines []string
	for line := range strings.Lines(l.String()) {
		if strings.Contains(line, "too late") {
			lines = append(lines, line)
		}
	}
	if len(lines) != 1 || !strings.Contains(lines[0], "level=ERROR") || !strings.Contains(lines[0], run) {
		t.Errorf("the log says %q, want one error about run %s", lines, run)
	}
}
