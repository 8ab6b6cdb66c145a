package jobs

import (
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
	"oprun.example/pkg/oprun"
)

// loseRuns makes the ledger forget every run in the very commit that ends it.
const loseRuns = `
create function lose() returns trigger language plpgsql as $$
begin
  delete from oprun.operation_runs where id = new.id;
  return null;
end $$;
create trigger lose after update on oprun.operation_runs for each row when (new.completed_at is not null) execute function lose()`

// bury makes a dead letter of message seq by hand.
func (s *stack) bury(seq uint64) {
	s.t.Helper()
	message := must(events.ReadBack(s.t.Context(), s.js, "JOBS", seq))(s.t)
	check(s.t, s.ledger.Bury(s.t.Context(), []oprun.DeadLetter{
		{Stream: "JOBS", Seq: int64(seq), StoreTime: message.StoredAt, Subject: message.Subject, Reason: dedupe.Malformed.String()},
	}))
}

// A worker's gauge tells of lost messages for as long as they are missing.
func TestWorkerAudits(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.hurry()
	s.exec(loseRuns)
	w := s.start(writing(), Config{AuditEvery: 100 * time.Millisecond})
	s.eventually("a first look", func() bool { return w.metric(t, "audit_last_success_timestamp_seconds") > 0 })
	unaccounted := func(n float64) func() bool {
		return func() bool { return w.metric(t, "unaccounted_messages") == n }
	}
	s.publishAll([]string{`{"key":"a"}`, `{"key":"b"}`})
	s.eventually("the lost messages to be found", unaccounted(2))
	s.bury(1)
	s.eventually("the buried one to be accounted for", unaccounted(1))
	check(t, must(s.js.Stream(t.Context(), "JOBS"))(t).Purge(t.Context()))
	s.eventually("the purged one to be forgotten", unaccounted(0))
	check(t, w.stop())
}

// watch is the audit of a worker that does not run, without any grace, and its registry.
func (s *stack) watch() (*watch, *worker) {
	s.t.Helper()
	registry := prometheus.NewRegistry()
	w := must(NewWorker(s.js, s.ledger, s.catalog, writing(), Config{AuditEvery: time.Hour, Registry: registry}))(s.t)
	check(s.t, w.bind(s.t.Context()))
	return &watch{Worker: w, grace: time.Nanosecond}, &worker{registry: registry}
}

// looks fails the test unless a look misses these messages and the next one begins there.
func (w *watch) looks(t *testing.T, next uint64, missing ...uint64) {
	t.Helper()
	check(t, w.look(t.Context()))
	var got []uint64
	for _, o := range w.missing {
		got = append(got, o.Seq)
	}
	if !slices.Equal(got, missing) || w.next != next {
		t.Errorf("messages %v are missing and the next look begins at %d, want %v and %d", got, w.next, missing, next)
	}
}

func TestWatch(t *testing.T) {
	t.Parallel()

	t.Run("reads each message once, when the consumer has passed it", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		w, _ := s.watch()
		w.looks(t, 1)
		s.ran(`{"key":"a"}`, `{"key":"b"}`)
		s.publish(`{"key":"c"}`)
		w.looks(t, 3)
		s.exec("delete from oprun.operation_runs") // too late for this watch: those were accounted for
		s.take(1, true)
		w.looks(t, 4, 3)
		w.looks(t, 4, 3)
		s.bury(3)
		w.looks(t, 4)
	})

	t.Run("begins with what was passed by workers that may not have looked", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		s.publishAll([]string{`{"key":"a"}`, `{"key":"b"}`})
		s.take(2, true)
		w, _ := s.watch()
		w.looks(t, 3, 1, 2)
		check(t, must(s.js.Stream(t.Context(), "JOBS"))(t).DeleteMsg(t.Context(), 1))
		w.looks(t, 3, 2)
	})

	t.Run("leaves young messages to a later look", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		s.publish(`{"key":"a"}`)
		s.take(1, true)
		w, _ := s.watch()
		w.grace = time.Hour
		w.looks(t, 1)
		w.grace = time.Nanosecond
		w.looks(t, 2, 1)
	})

	t.Run("begins anew with a stream that was made anew", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		s.publishAll([]string{`{"key":"a"}`, `{"key":"b"}`})
		s.take(2, true)
		w, _ := s.watch()
		w.looks(t, 3, 1, 2)
		check(t, s.js.DeleteStream(t.Context(), "JOBS"))
		must(s.topology.Apply(t.Context(), s.js, false))(t)
		w.looks(t, 1)
		s.publish(`{"key":"a"}`)
		s.take(1, true)
		w.looks(t, 2, 1)
	})

	t.Run("never looks when it is told so", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		w, of := s.watch()
		w.config.AuditEvery = -1
		w.watchLoop(t.Context()) // returns at once
		if at := of.metric(t, "audit_last_success_timestamp_seconds"); at != 0 {
			t.Errorf("the audit was at %v, want never", at)
		}
	})
}
