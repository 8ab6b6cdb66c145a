package replay

import (
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"oprun.example/pkg/events"
)

// A record says where its messages go. A replay publishes below the prefix of its jobs and nowhere else: not to another
// deployment, whose ledger was not asked, and not to the broker itself.
func TestReplayPublishesToSubjectsOfJobsAlone(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	must(h.js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "ACME", Subjects: []string{"acme.>"}}))(t)
	h.publish(writes, `{"key": "kept"}`)
	purge, foreign, malformed := h.recorded(1, time.Hour), h.recorded(2, time.Hour), h.recorded(3, time.Hour)
	purge.Subject, purge.Data = "$JS.API.STREAM.PURGE.JOBS", nil
	foreign.Subject = "acme." + h.subject(writes)
	malformed.Subject = "jobs.nobody" // a dead letter of this stream's
	for name, config := range map[string]Config{"same": {NoWait: true}, "as new": {NoWait: true, AsNew: true}} {
		before := h.state().LastSeq
		report := h.replay(h.database, these(purge, foreign, malformed), config)
		wantRows(t, report, "1 unknown published", "2 unknown refused malformed")
		if got := h.state(); got.FirstSeq != 1 || got.LastSeq != before+1 {
			t.Errorf("%s: the stream goes from %d to %d, want from 1 to %d", name, got.FirstSeq, got.LastSeq, before+1)
		}
		acme := must(must(h.js.Stream(t.Context(), "ACME"))(t).Info(t.Context()))(t)
		if acme.State.Msgs != 0 {
			t.Errorf("%s: another deployment's stream has %d messages", name, acme.State.Msgs)
		}
	}
}

// Retention goes on while a replay does: what the ledger has forgotten by then is not published either.
func TestReplayGoesByWhatTheLedgerKnowsNow(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	const day = 24 * time.Hour
	undated := h.recorded(2, 20*day)
	undated.Header = map[string][]string{events.HeaderRequestID: {"order-7"}}
	passes := 0
	source := Source{Lines: true, Messages: func(yield func(events.Message, error) bool) {
		if passes++; passes == 2 { // the survey has seen nothing old
			moved, err := h.ledger.AdvanceHorizon(t.Context(), 10*day)
			if check(t, err); !moved {
				t.Error("the horizon did not move")
			}
		}
		_ = yield(h.recorded(1, day), nil) && yield(undated, nil)
	}}
	err := h.stopsWith(source, Config{NoWait: true}, 1, "line 2, stored at ", "; one message was published by then")
	if _, ok := errors.AsType[*OldError](err); !ok {
		t.Errorf("%v, want that it is too old", err)
	}
}
