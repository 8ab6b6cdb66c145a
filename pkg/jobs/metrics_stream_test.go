package jobs

import (
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"oprun.example/pkg/catalog"
	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
)

// idle is a worker that does not run.
func (s *stack) idle(config Config) *Worker {
	s.t.Helper()
	return must(NewWorker(s.js, s.ledger, s.catalog, writing(), config))(s.t)
}

func (s *stack) storedAt(seq uint64) float64 {
	s.t.Helper()
	return unixSeconds(must(must(s.js.Stream(s.t.Context(), "JOBS"))(s.t).GetMsg(s.t.Context(), seq))(s.t).Time)
}

func TestStreamGauges(t *testing.T) {
	t.Parallel()

	t.Run("tell what the consumer has before it, and since when", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		s.topology.MaxBytes = 1 << 30
		must(s.topology.Apply(t.Context(), s.js, true))(t)
		s.publishAll([]string{`{"key":"a"}`, `{"key":"b"}`, `{"key":"c"}`})
		s.take(1, true)
		s.take(1, false)
		w := s.idle(Config{})
		got := look(t, newStreamGauges(w)).series(t)
		bytes := got["jetstream_stream_bytes{}"]
		want := map[string]float64{
			"jetstream_consumer_pending_messages{}": 1, "jetstream_consumer_ack_pending_messages{}": 1,
			"jetstream_consumer_redelivered_messages{}": 0, "jetstream_oldest_unclaimed_timestamp_seconds{}": s.storedAt(3),
			"jetstream_stream_bytes{}": bytes, "jetstream_stream_max_bytes{}": 1 << 30, "jetstream_stream_max_age_seconds{}": 7 * 24 * 3600,
		}
		if diff := cmp.Diff(want, got); diff != "" || bytes <= 0 {
			t.Errorf("the stream has %v bytes, and (-want +got):\n%s", bytes, diff)
		}
	})

	t.Run("leave out the oldest message that nobody has claimed when there is none", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		s.publish(`{"key":"a"}`)
		s.take(1, true)
		got := look(t, newStreamGauges(s.idle(Config{}))).series(t)
		if _, there := got["jetstream_oldest_unclaimed_timestamp_seconds{}"]; there || len(got) != 6 {
			t.Errorf("the gauges are %v", got)
		}
	})

	t.Run("count a message in hand that the ledger has not judged for a while", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		s.publishAll([]string{`{"key":"a"}`, `{"key":"b"}`})
		w := s.idle(Config{})
		subscription := must(must(s.conn.JetStream())(t).PullSubscribe("", "", nats.Bind("JOBS", "oprun")))(t)
		messages := must(subscription.Fetch(1))(t)
		fresh := &delivery{msg: messages[0], arrived: time.Now()}
		w.hands.arrived(fresh)
		if at := look(t, newStreamGauges(w)).metric(t, "jetstream_oldest_unclaimed_timestamp_seconds"); at != s.storedAt(2) {
			t.Errorf("the oldest is of %v, want that of the message that waits, %v", at, s.storedAt(2))
		}
		w.hands.remove(fresh)
		w.hands.arrived(&delivery{msg: messages[0], arrived: time.Now().Add(-time.Minute)})
		if at := look(t, newStreamGauges(w)).metric(t, "jetstream_oldest_unclaimed_timestamp_seconds"); at != s.storedAt(1) {
			t.Errorf("the oldest is of %v, want that of the message in hand, %v", at, s.storedAt(1))
		}
	})

	t.Run("believe no message about its own age", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		const block = "NATS/1.0\r\nNats-Stream: JOBS\r\nNats-Subject: x\r\nNats-Sequence: 1\r\nNats-Time-Stamp: 2999-01-01T00:00:00Z\r\n\r\nX: 1\r\n\r\n"
		line := must(s.conn.Opts.InProcessServer.InProcessConn())(t)
		t.Cleanup(func() { _ = line.Close() })
		go func() { _, _ = io.Copy(io.Discard, line) }() // a pipe has no room for what nobody reads
		subject := events.Subjects{}.Subject(dedupe.Tenant(s.tenant), testType)
		must(fmt.Fprintf(line, "CONNECT {\"headers\":true}\r\nHPUB %s %d %d\r\n%s{}\r\n", subject, len(block), len(block)+2, block))(t)
		s.eventually("the message to be stored", func() bool { return s.consumer().NumPending == 1 })
		if at := look(t, newStreamGauges(s.idle(Config{}))).metric(t, "jetstream_oldest_unclaimed_timestamp_seconds"); at != unixSeconds(must(events.ReadBack(t.Context(), s.js, "JOBS", 1))(t).StoredAt) {
			t.Errorf("the oldest is of %v", at)
		}
	})

	t.Run("of some types look at theirs", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		const otherType = "test.other"
		s.catalog = must(catalog.New(catalog.Catalog{Jobs: map[string]catalog.Job{testType: testJob("key"), otherType: testJob("key")}}, nil))(t)
		must(s.topology.For(testType).Apply(t.Context(), s.js, false))(t)
		s.publish(`{"key":"a"}`, func(r *events.Request) { r.Identity.Type = otherType })
		s.publish(`{"key":"a"}`)
		if at := look(t, newStreamGauges(s.idle(Config{Types: []string{testType}}))).metric(t, "jetstream_oldest_unclaimed_timestamp_seconds"); at != s.storedAt(2) {
			t.Errorf("the oldest is of %v, want %v", at, s.storedAt(2))
		}
	})

	t.Run("are left out while JetStream does not answer", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		conn := must(s.nats.Connect())(t)
		w := must(NewWorker(must(jetstream.New(conn))(t), s.ledger, s.catalog, writing(), Config{}))(t)
		conn.Close()
		if got := look(t, newStreamGauges(w)).series(t); len(got) > 0 {
			t.Errorf("the gauges are %v", got)
		}
	})
}
