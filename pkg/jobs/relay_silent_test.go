package jobs

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// A relay whose broker takes nothing is not well, although between two tries it finds nothing due.
func TestRelayOfAFullStreamIsNoSuccess(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	w := s.start(writing(), Config{Poll: 10 * time.Millisecond})
	s.publish(`{"key":"a"}`)
	s.settled(1)
	s.holds(1)
	run := s.dispatch("b")
	refused := func(n float64) func() bool {
		return func() bool {
			return w.metric(t, "published_messages_total", "job_type="+testType, "result=error") >= n
		}
	}
	s.eventually("the broker to refuse it", refused(1))
	last := w.metric(t, "relay_last_success_timestamp_seconds")
	s.eventually("the broker to refuse it once more", refused(2))
	if now := w.metric(t, "relay_last_success_timestamp_seconds"); now != last {
		t.Errorf("the relay's last success was at %f, and then at %f", last, now)
	}
	s.holds(-1)
	s.eventually("the run to end", func() bool { return s.run(run).CompletedAt != nil })
	s.eventually("the relay to be well", func() bool { return w.metric(t, "relay_last_success_timestamp_seconds") > last })
}

// holds lets the stream hold so many messages, and refuse others; -1: any number.
func (s *stack) holds(messages int64) {
	s.t.Helper()
	config := must(s.js.Stream(s.t.Context(), s.topology.Stream))(s.t).CachedInfo().Config
	config.MaxMsgs, config.Discard = messages, jetstream.DiscardNew
	must(s.js.UpdateStream(s.t.Context(), config))(s.t)
}
