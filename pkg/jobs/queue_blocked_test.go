package jobs

import (
	"context"
	"database/sql/driver"
	"sync"
	"testing"
	"time"
)

// The connection breaks while a group is on it, or at its very commit, or the commit's answer is lost: every effect
// happens exactly once (I2).
func TestBrokenGroup(t *testing.T) {
	t.Parallel()
	const once = "select case when nextval('breaks') = 1 then pg_terminate_backend(pg_backend_pid()) end"
	for name, test := range map[string]struct {
		prepare string
		bad     func(job *Job[keyed])
		lose    string // the reply to this
	}{
		"between the effects": {bad: func(job *Job[keyed]) { job.Queue(once) }},
		"at the commit": {
			prepare: `create function break() returns trigger language plpgsql as $$ begin perform 1 from (` + once + `) t; return null; end $$;
				create table fragile (id int);
				create constraint trigger breaks after insert on fragile deferrable initially deferred for each row execute function break()`,
			bad: func(job *Job[keyed]) { job.Queue("insert into fragile values (1)") },
		},
		"before the answer to the commit": {bad: func(*Job[keyed]) {}, lose: "commit\x00"},
		"before the answer to the effects": {
			bad: func(job *Job[keyed]) { job.Queue("select 'reply.lost', $1::int", 1) }, lose: "reply.lost",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStack(t)
			s.exec("create sequence breaks")
			if test.prepare != "" {
				s.exec(test.prepare)
			}
			ledger := s.ledger
			if test.lose != "" {
				line := newProxy(t, s.database)
				_, ledger = s.openLedger(line.url)
				lost := line.loseReplyTo(test.lose)
				defer func() { <-lost }()
			}
			const jobs = 100
			runs := s.publishAll(keys(jobs))
			w := s.startOn(s.js, ledger, queueing(test.bad), Config{})
			s.settled(jobs)
			s.acknowledged()
			s.wantOneEffectEach(runs...)
			s.wantCountersEqualRows(w)
		})
	}
}

// encoded is an argument that does something when it is sent.
type encoded func()

func (f encoded) Value() (driver.Value, error) {
	f()
	return int64(1), nil
}

// A connection that dies before a group's commit arrives, and without a word to Postgres, does not part the group: its jobs
// share a commit when Postgres has given up that transaction.
func TestStrandedGroup(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	line := newProxy(t, s.database)
	_, ledger := s.openLedger(line.url)
	strand := sync.OnceFunc(func() { line.strandRequests(1, "commit\x00") })
	sending, gathered := make(chan struct{}), make(chan struct{})
	hold := sync.OnceFunc(func() {
		close(sending)
		<-gathered
	})
	w := s.startOn(s.js, ledger, handling(func(_ context.Context, job *Job[keyed]) error {
		queueEffect(job)
		if job.Args.Key == "first" {
			job.Queue("select $1::int", encoded(hold))
		} else {
			job.Queue("select $1::int", encoded(strand))
		}
		return nil
	}), Config{})
	first := s.publish(`{"key":"first"}`)
	<-sending
	const jobs = 100
	runs := s.publishAll(keys(jobs))
	s.eventually("the others to be gathered", func() bool { return len(w.effects) == jobs })
	close(gathered)
	s.settled(jobs + 1)
	s.acknowledged()
	s.wantOneEffectEach(append(runs, first)...)
	if n := s.count("select count(distinct xmin::text) from effects"); n > jobs/4 {
		t.Errorf("%d transactions for the effects of %d jobs", n, jobs)
	}
	s.wantCountersEqualRows(w)
}

// lockRow makes a row and a transaction that has it locked, which release ends.
func (s *stack) lockRow() (release func()) {
	s.t.Helper()
	s.exec("create table locked as select 1 as id")
	tx := must(s.pool.Begin(s.t.Context()))(s.t)
	must(tx.Exec(s.t.Context(), "select from locked for update"))(s.t)
	return func() { _ = tx.Rollback(context.WithoutCancel(s.t.Context())) }
}

func (s *stack) blocked() bool {
	return s.count("select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query like 'update locked%'") > 0
}

// A statement that waits for a caller's transaction holds up nobody but its own job.
func TestBlockedQueuedStatement(t *testing.T) {
	t.Parallel()
	bad := func(job *Job[keyed]) { job.Queue("update locked set id = id + 1") }

	t.Run("succeeds when the lock is released, however long that takes", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		s.hurry()
		release := s.lockRow()
		defer release()
		const jobs = 50
		runs := s.publishAll(keys(jobs))
		w := s.start(queueing(bad), Config{})
		s.eventually("all others to end", func() bool {
			return s.count("select count(*) from oprun.operation_runs where completed_at is not null") == jobs-1
		})
		s.eventually("its first lease to be over", func() bool {
			return s.count("select count(*) from oprun.operation_runs where started_at < now() - $1 * interval '1 s'", 2*shortLease.Seconds()) == jobs
		})
		release()
		s.settled(jobs)
		s.acknowledged()
		s.wantOneEffectEach(runs...)
		wantAttempts(t, s.attempts(runs[7]))
		s.wantCountersEqualRows(w)
	})

	t.Run("is given back when the worker stops", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		release := s.lockRow()
		defer release()
		const jobs = 20
		runs := s.publishAll(keys(jobs))
		w := s.start(queueing(bad), Config{DrainTimeout: time.Millisecond})
		s.eventually("it to wait alone", func() bool {
			return s.blocked() && s.count("select count(*) from oprun.operation_runs where completed_at is not null") == jobs-1
		})
		check(t, w.stop())
		if n := s.count("select count(*) from oprun.operation_runs where status = 'queued' and attempt = 1 and max_attempts = 4"); n != 1 {
			t.Errorf("%d runs were given back, want the blocked one", n)
		}
		release()
		other := s.start(queueing(bad), Config{})
		s.settled(jobs)
		s.acknowledged()
		s.wantOneEffectEach(runs...)
		s.wantCountersEqualRows(w, other)
	})

	t.Run("costs another that waits for its turn none of its time", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		job := testJob("key")
		job.Timeout = 3 * time.Second
		s.catalog = testCatalog(t, job)
		var turns []func()
		for range 4 { // all there are
			turns = append(turns, must(s.ledger.TurnAlone(t.Context()))(t))
		}
		run := s.publish(`{"key":"` + badKey + `"}`)
		w := s.start(queueing(func(job *Job[keyed]) { job.Queue("select set_config('oprun.mine', '1', true)") }), Config{})
		s.eventually("more than its time to be over", func() bool {
			return s.count("select count(*) from oprun.operation_runs where started_at < now() - $1 * interval '1 s'", 1.5*job.Timeout.Seconds()) == 1
		})
		for _, leave := range turns {
			leave()
		}
		s.settled(1)
		s.acknowledged()
		s.wantOneEffectEach(run)
		wantAttempts(t, s.attempts(run))
		s.wantCountersEqualRows(w)
	})

	t.Run("does not stop a worker that runs one job at a time", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		release := s.lockRow()
		defer release()
		w := s.start(handling(func(_ context.Context, job *Job[keyed]) error {
			queueEffect(job)
			if job.Args.Key < "3" {
				bad(job)
			}
			return nil
		}), Config{Concurrency: 1})
		runs := s.publishAll(keys(8))
		s.eventually("all others to end", func() bool {
			return s.count("select count(*) from oprun.operation_runs where completed_at is not null") == 5
		})
		release()
		s.settled(8)
		s.acknowledged()
		s.wantOneEffectEach(runs...)
		s.wantCountersEqualRows(w)
	})

	t.Run("may be slow itself, and holds up nobody", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		const jobs = 50
		runs := s.publishAll(keys(jobs))
		w := s.start(queueing(func(job *Job[keyed]) { job.Queue("select pg_sleep(2)") }), Config{})
		s.settled(jobs)
		s.acknowledged()
		s.wantOneEffectEach(runs...)
		if n := s.count("select count(*) from oprun.operation_runs where completed_at < (select completed_at from oprun.operation_runs where id = $1)", runs[7]); n != jobs-1 {
			t.Errorf("%d jobs have ended before the slow one, want all others", n)
		}
		s.wantCountersEqualRows(w)
	})
}
