package replay

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"

	"oprun.example/pkg/events"
)

func asStopped(err error, stopped **StoppedError) bool { return errors.As(err, stopped) }

// stopsWith fails the test unless a replay stops with these words, having published so much.
func (h *house) stopsWith(source Source, config Config, published int, words ...string) error {
	h.t.Helper()
	before := h.state().Msgs
	_, err := Run(h.t.Context(), h.js, h.ledger, source, config)
	var stopped *StoppedError
	if !asStopped(err, &stopped) || stopped.Published != published {
		h.t.Fatalf("it ended with %v (%+v), want it stopped after %d messages", err, stopped, published)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			h.t.Errorf("%q does not say %q", err, word)
		}
	}
	if got := h.state().Msgs - before; got != uint64(published) {
		h.t.Errorf("the stream has %d messages more, want %d", got, published)
	}
	return err
}

// recorded is a message of a record, stored so long ago.
func (h *house) recorded(seq uint64, ago time.Duration) events.Message {
	return events.Message{
		Subject: h.subject(writes), Data: fmt.Appendf(nil, `{"key": "%d"}`, seq), Stream: "JOBS", Seq: seq, StoredAt: time.Now().Add(-ago),
	}
}

// What the ledger may have forgotten is never published as the same occurrence, dated or not.
func TestReplayRefusesWhatIsOlderThanRetention(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	const day = 24 * time.Hour
	moved, err := h.ledger.AdvanceHorizon(t.Context(), 30*day)
	if check(t, err); !moved {
		t.Fatal("the horizon did not move")
	}
	undated := h.recorded(2, 40*day)
	undated.Header = map[string][]string{events.HeaderRequestID: {"order-7"}}
	twice := h.recorded(4, day) // the record of a replay
	twice.Header = map[string][]string{events.HeaderOccurrence: {h.recorded(1, 40*day).Place().String()}}
	source := these(h.recorded(1, time.Hour), undated, h.recorded(3, 50*day), twice, h.recorded(5, day))

	err = h.stopsWith(source, Config{}, 0, "line 2, stored at ", "and with it 2 others, is older than what the ledger keeps", "; nothing was published")
	if old, ok := errors.AsType[*OldError](err); !ok || old.Count != 3 {
		t.Errorf("%+v, want 3 old messages", old)
	}
	source.Once = true // as a pipe is: what is old is found when it comes
	h.stopsWith(source, Config{NoWait: true}, 1, "line 2, stored at ", "; one message was published by then")
	source.Once = false

	h.work(h.database)
	report := h.replay(h.database, source, Config{SkipOld: true})
	wantRows(t, report, "2 test.write ran succeeded", "3 test.write refused older_than_retention")
	report = h.replay(h.database, source, Config{AsNew: true})
	wantRows(t, report, "5 test.write ran succeeded")

	old := must(uuid.Parse("01936f2a-0000-7000-8000-000000000001"))(t)
	if _, err := Run(t.Context(), h.js, h.ledger, source, Config{AsNew: true, ID: old}); err == nil || !strings.Contains(err.Error(), "begin a new replay") {
		t.Errorf("a replay whose id is older than retention: %v", err)
	}
}

// What cannot be a job of this ledger is not published, and the rest is.
func TestReplayRefusesWhatTheLedgerDoesNotKnow(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.work(h.database)
	stranger := h.recorded(1, time.Hour)
	stranger.Subject = strings.Replace(stranger.Subject, h.tenant.String(), uuid.NewString(), 1)
	named := h.recorded(2, time.Hour)
	named.Header = map[string][]string{events.HeaderRunID: {uuid.NewString()}}
	full := h.recorded(3, time.Hour) // with no room for one header more
	full.Header = map[string][]string{"X": {strings.Repeat("x", events.MaxHeaderBytes-20)}}
	large := h.recorded(4, time.Hour)
	large.Data = []byte(`{"key": ` + strings.Repeat(" ", 1<<20))
	torn := h.recorded(6, time.Hour) // whose header block nobody could read
	torn.Header = map[string][]string{"": {""}}
	source := these(stranger, named, full, large, h.recorded(5, time.Hour), torn)
	report := h.replay(h.database, source, Config{})
	wantRows(t, report, "1 test.write refused scope_unknown", "1 test.write refused unknown_run", "2 test.write refused header_invalid",
		"1 test.write refused oversize", "1 test.write ran succeeded")
	if report.Refused != 5 || report.Published != 1 || report.Effects != 1 {
		t.Errorf("the report is %+v", report)
	}
}

// A dead letter that was requeued has run as another request. As the same occurrence it stays what it is.
func TestReplayLeavesDeadLettersAlone(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	place := h.publish("test.later", `{"key": "a"}`)
	stop := h.work(h.database)
	h.drained(h.database)
	stop()
	later := h.catalog.Jobs[writes]
	h.catalog.Jobs["test.later"] = later
	record := h.record()
	report := h.replay(h.database, file(record), Config{})
	wantRows(t, report, "1 test.later dead_letter")
	if got := h.state().LastSeq; got != place.Seq {
		t.Errorf("the stream ends at %d, want nothing behind %d", got, place.Seq)
	}
}

// An error names the message, and what had been published by then.
func TestReplayStopsWithThePlaceOfAnError(t *testing.T) {
	t.Parallel()
	t.Run("in_a_record_before_anything_is_published", func(t *testing.T) {
		t.Parallel()
		h := newHouse(t)
		for i := range 3 {
			h.publish(writes, fmt.Sprintf(`{"key": "%d"}`, i))
		}
		record := h.record()
		h.stopsWith(file(record[:len(record)-3]), Config{}, 0, "cut short", "; nothing was published")
		plain := file([]byte(`{"subject":"x","stream":"JOBS","sequence":1,"time":"2026-11-26T00:00:00Z"}` + "\n{}\n"))
		h.stopsWith(plain, Config{}, 0, `line 2: "subject" is missing`, "; nothing was published")
		again := file(record)
		again.Messages = func(yield func(events.Message, error) bool) {
			for m, err := range file(record).Messages {
				if m.Seq == 3 {
					err = &events.RecordError{Line: 3, Err: errors.New("torn")}
				}
				if !yield(m, err) || err != nil {
					return
				}
			}
		}
		again.Once = true
		h.stopsWith(again, Config{NoWait: true}, 2, "line 3: torn", "; 2 messages were published by then")
	})
	for name, rate := range map[string]float64{"when_the_stream_is_full": 0, "when_the_stream_is_full_and_it_goes_slowly": 20} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			topology := events.DefaultTopology()
			topology.MaxBytes = 1000
			must(topology.Apply(t.Context(), h.js, true))(t)
			var eight []events.Message
			for seq := range uint64(8) {
				eight = append(eight, h.recorded(seq+1, 0))
			}
			_, err := Run(t.Context(), h.js, h.ledger, these(eight...), Config{NoWait: true, Rate: rate})
			var stopped *StoppedError
			if !asStopped(err, &stopped) || !errors.Is(err, events.ErrStreamFull) || stopped.Unknown != 0 {
				t.Fatalf("a full stream: %v", err)
			}
			if got := h.state().Msgs; got != uint64(stopped.Published) || got == 0 || got == 8 {
				t.Errorf("the stream has %d messages, and the error says %q", got, err)
			}
			if want := fmt.Sprintf("line %d: ", stopped.Published+1); !strings.HasPrefix(err.Error(), want) {
				t.Errorf("%q does not begin with %q", err, want)
			}
		})
	}
	t.Run("without_the_consumer", func(t *testing.T) {
		t.Parallel()
		h := newHouse(t)
		_, err := Run(t.Context(), h.js, h.ledger, these(h.recorded(1, 0)), Config{Consumer: "other"})
		if !errors.Is(err, jetstream.ErrConsumerNotFound) || h.state().Msgs != 0 {
			t.Errorf("without its consumer: %v, and the stream has %d messages", err, h.state().Msgs)
		}
	})
}

// When the time to wait is up the report tells what has come to its end and what has not.
func TestReplayWaitsNoLongerThanItMay(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	report, err := Run(t.Context(), h.js, h.ledger, these(h.recorded(1, 0), h.recorded(2, 0)), Config{Timeout: time.Millisecond})
	check(t, err)
	wantRows(t, report, "2 test.write waiting")
	if report.Settled() || !report.Behind || report.Unsettled != 2 {
		t.Errorf("nobody works, and the report is %+v", report)
	}
	report, err = Run(t.Context(), h.js, h.ledger, these(h.recorded(1, 0)), Config{NoWait: true, Consumer: "none"})
	check(t, err)
	wantRows(t, report, "1 test.write published")
}

// Messages are due by their rate, or by the gaps that were recorded.
func TestPacer(t *testing.T) {
	t.Parallel()
	began, stored := time.Now(), time.Unix(1_763_856_000, 0)
	at := func(gap time.Duration) events.Message { return events.Message{StoredAt: stored.Add(gap)} }
	for name, test := range map[string]struct {
		pacer pacer
		want  []time.Duration // of messages recorded 0s, 10s and 5s after the first
	}{
		"at_once":           {pacer{}, []time.Duration{0, 0, 0}},
		"by_rate":           {pacer{rate: 4}, []time.Duration{0, 250 * time.Millisecond, 500 * time.Millisecond}},
		"as_it_was":         {pacer{speed: 1}, []time.Duration{0, 10 * time.Second, 5 * time.Second}},
		"ten_times_as_fast": {pacer{speed: 10}, []time.Duration{0, time.Second, 500 * time.Millisecond}},
		"by_the_slower":     {pacer{speed: 10, rate: 1}, []time.Duration{0, time.Second, 2 * time.Second}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := test.pacer
			p.began = began
			for n, gap := range []time.Duration{0, 10 * time.Second, 5 * time.Second} {
				if got := p.due(n, at(gap)).Sub(began); got != test.want[n] {
					t.Errorf("message %d is due after %s, want %s", n, got, test.want[n])
				}
			}
		})
	}
}

// A replay takes the time that its pace asks for.
func TestReplayKeepsItsPace(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	source := these(h.recorded(1, time.Hour), h.recorded(2, time.Hour-2*time.Second), h.recorded(3, time.Hour-4*time.Second))
	for name, config := range map[string]Config{"rate": {Rate: 5}, "speed": {Speed: 10}} {
		config.NoWait, config.AsNew = true, true
		report := h.replay(h.database, source, config)
		if report.Took < 400*time.Millisecond || report.Took > time.Minute {
			t.Errorf("by %s it took %s, want 400ms and what the machine adds", name, report.Took)
		}
	}
}
