package jobs

import (
	"context"
	"database/sql/driver"
	"io"
	"strings"
	"sync/atomic"
	"testing"

	"oprun.example/pkg/oprun"
)

// badKey is the key of the one job that its neighbours must not notice.
const badKey = "7"

// queueing is a handler that queues an effect, and for the bad job something more.
func queueing(bad func(job *Job[keyed])) *Mux {
	return handling(func(_ context.Context, job *Job[keyed]) error {
		queueEffect(job)
		if job.Args.Key == badKey {
			bad(job)
		}
		return nil
	})
}

// panicking is an argument whose encoding goes wrong.
type panicking struct{}

func (panicking) Value() (driver.Value, error) { panic("in the argument") }

// A queued statement that goes wrong is the failure of its own job, which is tried again and ends as failed; its
// neighbours have their effects, exactly once, and the worker its wits.
func TestBadQueuedStatement(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		bad  func(job *Job[keyed])
		text string // in the attempts' errors
	}{
		"fails in the database": {
			func(job *Job[keyed]) { job.Queue("select 1 / $1::int", 0) },
			"queued statement 2: ERROR: division by zero",
		},
		"cannot be parsed":                  {func(job *Job[keyed]) { job.Queue("select from where") }, "syntax error"},
		"has too few arguments":             {func(job *Job[keyed]) { job.Queue("select $1::int + $2::int", 1) }, "queued statement 2"},
		"has an argument of no use":         {func(job *Job[keyed]) { job.Queue("select $1::uuid", make(chan int)) }, "queued statement 2"},
		"panics in an argument":             {func(job *Job[keyed]) { job.Queue("select $1::int", panicking{}) }, "panic: in the argument"},
		"has an argument that ends":         {func(job *Job[keyed]) { job.Queue("select $1::int", eof{}) }, "EOF"},
		"is none":                           {func(job *Job[keyed]) { job.Queue("-- nothing") }, "there is none"},
		"ends the transaction":              {func(job *Job[keyed]) { job.Queue("commit") }, `it begins with "commit"`},
		"ends the transaction in a block":   {func(job *Job[keyed]) { job.Queue("do $$ begin commit; end $$") }, "invalid transaction termination"},
		"is two":                            {func(job *Job[keyed]) { job.Queue("select 1; commit") }, "cannot insert multiple commands"},
		"always breaks the connection":      {func(job *Job[keyed]) { job.Queue("select pg_terminate_backend(pg_backend_pid())") }, "terminating connection"},
		"violates what COMMIT checks":       {func(job *Job[keyed]) { job.Queue("insert into children values (1)") }, "violates foreign key"},
		"fails alone, as it failed at once": {func(job *Job[keyed]) { job.Queue("select set_config('oprun.x', '1', false), 1 / $1::int", 0) }, "division by zero"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStack(t)
			s.exec("create table parents (id int primary key)")
			s.exec("create table children (parent int references parents deferrable initially deferred)")
			const jobs = 30
			runs := s.publishAll(keys(jobs))
			w := s.start(queueing(test.bad), Config{})
			s.settled(jobs)
			s.acknowledged()
			bad, others := runs[7], append(runs[:7:7], runs[8:]...)
			s.wantOneEffectEach(others...)
			wantAttempts(t, s.attempts(bad), oprun.AttemptFailed, oprun.AttemptFailed, oprun.AttemptFailed)
			for _, a := range must(s.ledger.Attempts(t.Context(), bad))(t) {
				if !strings.Contains(a.Error, test.text) {
					t.Errorf("the attempt's error is %q, want %q", a.Error, test.text)
				}
			}
			if run := s.run(bad); run.Outcome != oprun.Failed || !strings.Contains(string(must(s.input(bad))(t)), badKey) {
				t.Errorf("the bad job ended as %s", run.Outcome)
			}
			s.wantCountersEqualRows(w)
		})
	}
}

// eof is an argument whose error looks like a connection that broke.
type eof struct{}

func (eof) Value() (driver.Value, error) { return nil, io.EOF }

// input reads what a run keeps of its input.
func (s *stack) input(run any) (input []byte, err error) {
	err = s.pool.QueryRow(s.t.Context(), "select input::text from oprun.operation_runs where id = $1", run).Scan(&input)
	return input, err
}

// A worker that is asked to stop carries out what its handlers have queued.
func TestStopWithQueuedStatements(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	const jobs = 2000
	s.publishAll(keys(jobs))
	var handled atomic.Int64
	some := make(chan struct{})
	w := s.start(handling(func(_ context.Context, job *Job[keyed]) error {
		queueEffect(job)
		if handled.Add(1) == jobs/10 {
			close(some)
		}
		return nil
	}), Config{})
	<-some
	check(t, w.stop())
	ran := int(handled.Load())
	if ended, effects := s.count("select count(*) from oprun.operation_runs where outcome = 'succeeded'"), s.count("select count(*) from effects"); ended != ran || effects != ran {
		t.Errorf("%d handlers have returned, %d runs have ended, %d effects are there", ran, ended, effects)
	}
	if n := s.count("select count(*) from oprun.operation_runs where status = 'running'"); n != 0 {
		t.Errorf("%d runs are left behind", n)
	}
	s.wantCountersEqualRows(w)
}

// A success with queued statements wins over a cancellation that was asked for meanwhile.
func TestQueueWinsOverCancellation(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	w := s.start(handling(func(_ context.Context, job *Job[keyed]) error {
		queueEffect(job)
		s.requestCancel(job.RunID)
		return nil
	}), Config{})
	s.wantOneEffectEach(s.finished(`{"key":"a"}`))
	s.wantCountersEqualRows(w)
}

// An attempt that has lost its run, in a group with others, leaves no effect; theirs stay (I2, I9).
func TestFencedAmongQueued(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.hurry()
	const jobs = 50
	runs := s.publishAll(keys(jobs))
	w := s.start(queueing(func(job *Job[keyed]) {
		if job.Attempt == 1 { // another takes it, and is never heard of again
			s.exec("update oprun.operation_runs set claim_token = gen_random_uuid(), attempt = 2 where id = $1", job.RunID)
		}
	}), Config{})
	s.settled(jobs)
	s.acknowledged()
	s.wantOneEffectEach(runs...)
	wantAttempts(t, s.attempts(runs[7]), oprun.AttemptFenced, oprun.AttemptAbandoned, oprun.AttemptSucceeded)
	if n := w.metric(t, "attempts_total", "result=fenced"); n != 1 {
		t.Errorf("%v attempts were counted as fenced", n)
	}
}

// What a goroutine queues that outlives its handler is refused, and takes nothing down.
func TestQueueAfterTheHandler(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	returned, queued := make(chan struct{}), make(chan struct{})
	w := s.start(handling(func(_ context.Context, job *Job[keyed]) error {
		queueEffect(job)
		go func() {
			defer close(queued)
			<-returned
			queueEffect(job)
		}()
		return nil
	}), Config{})
	run := s.publish(`{"key":"a"}`)
	s.settled(1)
	close(returned)
	<-queued
	s.acknowledged()
	s.wantOneEffectEach(run)
	s.wantCountersEqualRows(w)
}

// Settings that one job makes are not there for any other, on whatever connection it runs.
func TestQueuedSettings(t *testing.T) {
	t.Parallel()
	for name, setting := range map[string]string{
		"made by a function":  "select set_config('oprun.mine', 'leaked', false)",
		"made by a statement": "set oprun.mine = 'leaked'",
		"made by a block":     "do $$ begin set oprun.mine = 'leaked'; end $$",
		"made by a procedure": "call leak()",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStack(t)
			s.exec("create table seen (setting text)")
			s.exec("create procedure leak() language plpgsql as $$ begin set oprun.mine = 'leaked'; end $$")
			const jobs = 100
			runs := s.publishAll(keys(jobs))
			w := s.start(handling(func(_ context.Context, job *Job[keyed]) error {
				if job.Args.Key == badKey {
					job.Queue(setting)
				}
				job.Queue("insert into seen values (nullif(current_setting('oprun.mine', true), ''))")
				queueEffect(job)
				return nil
			}), Config{})
			s.settled(jobs)
			s.acknowledged()
			s.wantOneEffectEach(runs...)
			if n := s.count("select count(setting) from seen"); n != 1 {
				t.Errorf("%d jobs have seen the setting, want the one that made it", n)
			}
			s.wantCountersEqualRows(w)
		})
	}
}
