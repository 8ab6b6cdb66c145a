package jobs

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
	"oprun.example/pkg/oprun"
)

// A worker's gauge tells of messages that were lost to it before it began, for as long as they are missing.
func TestWorkerAuditsWhatItsConsumerPasses(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.hurry()
	s.publishAll([]string{`{"key":"a"}`, `{"key":"b"}`, `{"key":"c"}`})
	s.take(3, true) // by somebody who does no work
	w := s.start(writing(), Config{AuditEvery: 100 * time.Millisecond})
	run := s.publish(`{"key":"d"}`)
	unaccounted := func(n float64) func() bool {
		return func() bool { return w.metric(t, "unaccounted_messages") == n }
	}
	s.eventually("the lost messages to be found", unaccounted(3))

	message := must(events.ReadBack(t.Context(), s.js, "JOBS", 1))(t)
	check(t, s.ledger.Bury(t.Context(), []oprun.DeadLetter{
		{Stream: "JOBS", Seq: 1, StoreTime: message.StoredAt, Subject: message.Subject, Reason: dedupe.Malformed.String()},
	}))
	s.eventually("the buried one to be accounted for", unaccounted(2))
	stream := must(s.js.Stream(t.Context(), "JOBS"))(t)
	check(t, stream.DeleteMsg(t.Context(), 2))
	s.eventually("the deleted one to be forgotten", unaccounted(1))
	s.exec("delete from oprun.operation_runs where id = $1", run)
	check(t, s.js.DeleteStream(t.Context(), "JOBS"))
	must(s.topology.Apply(t.Context(), s.js, false))(t)
	s.eventually("all of the old stream to be forgotten", unaccounted(0))

	since := w.metric(t, "audit_last_success_timestamp_seconds")
	s.eventually("the next look", func() bool { return w.metric(t, "audit_last_success_timestamp_seconds") > since })
	s.publishAll([]string{`{"key":"e"}`})
	s.eventually("the new stream's message to run", func() bool {
		return s.count("select count(*) from oprun.operation_runs where completed_at is not null") == 1
	})
	s.exec("delete from oprun.operation_runs")
	s.eventually("the new stream's lost message to be found", unaccounted(1))
	check(t, w.stop())
}

// Each look reads only what the consumer has passed since the last one, and a worker that is told not to look does not.
func TestWorkerAuditIsIncremental(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.ran(`{"key":"a"}`, `{"key":"b"}`)
	s.publish(`{"key":"c"}`)
	registry := prometheus.NewRegistry()
	w := must(NewWorker(s.js, s.ledger, s.catalog, writing(), Config{AuditEvery: time.Hour, Registry: registry}))(t)
	check(t, w.bind(t.Context()))
	watch := &watch{Worker: w, grace: time.Nanosecond}
	check(t, watch.look(t.Context()))
	if watch.next != 3 || len(watch.missing) != 0 {
		t.Errorf("the next look begins at message %d with %d missing, want 3 and none", watch.next, len(watch.missing))
	}
	s.exec("delete from oprun.operation_runs")
	s.take(1, true)
	check(t, watch.look(t.Context()))
	if watch.next != 4 || len(watch.missing) != 1 || watch.missing[0].Seq != 3 {
		t.Errorf("the next look begins at message %d with %+v missing, want 4 and message 3", watch.next, watch.missing)
	}
	check(t, watch.look(t.Context()))
	if watch.next != 4 || len(watch.missing) != 1 {
		t.Errorf("a look at nothing new: next %d, %+v missing", watch.next, watch.missing)
	}

	w.config.AuditEvery = -1
	w.watchLoop(t.Context()) // returns at once
	if n := (&worker{registry: registry}).metric(t, "audit_last_success_timestamp_seconds"); n != 0 {
		t.Errorf("the audit was at %v, want never", n)
	}
}
