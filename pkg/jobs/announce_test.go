package jobs

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/nats-io/nats.go"

	"oprun.example/pkg/catalog"
	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
	"oprun.example/pkg/oprun"
)

// heard are the events that somebody who listens to all of them has heard, by run.
type heard struct {
	mu     sync.Mutex
	events map[uuid.UUID][]*nats.Msg
	early  []string // of runs that had not ended
}

// listen hears every terminal event from now on.
func (s *stack) listen() *heard {
	s.t.Helper()
	h := &heard{events: map[uuid.UUID][]*nats.Msg{}}
	must(s.conn.Subscribe("events.>", func(msg *nats.Msg) {
		var event Ended
		_ = json.Unmarshal(msg.Data, &event) // the zero id is nobody's
		run, err := s.ledger.Run(context.Background(), event.ID)
		h.mu.Lock()
		defer h.mu.Unlock()
		h.events[event.ID] = append(h.events[event.ID], msg)
		if err != nil || run.CompletedAt == nil {
			h.early = append(h.early, string(msg.Data))
		}
	}))(s.t)
	check(s.t, s.conn.Flush())
	return h
}

func (h *heard) of(id uuid.UUID) []*nats.Msg {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.events[id]
}

// wantTold wants one event of a run, on its subject, whose every key is what the ledger has of the run, after its end.
func (s *stack) wantTold(h *heard, id uuid.UUID) {
	s.t.Helper()
	s.eventually("the event", func() bool { return len(h.of(id)) > 0 })
	run := s.run(id)
	told := h.of(id)
	if len(told) != 1 {
		s.t.Errorf("run %s was told of %d times", id, len(told))
	}
	if want := (events.Subjects{}).Terminal(string(run.Outcome), run.Scope(), run.Type); told[0].Subject != want {
		s.t.Errorf("told on %s, want %s", told[0].Subject, want)
	}
	var got, all map[string]any
	check(s.t, json.Unmarshal(told[0].Data, &got))
	check(s.t, json.Unmarshal(must(json.Marshal(run))(s.t), &all))
	maps.DeleteFunc(all, func(key string, _ any) bool { _, told := got[key]; return !told })
	if diff := cmp.Diff(all, got); diff != "" || len(got) < 8 {
		s.t.Errorf("the ledger's run and the event of %s (-want +got):\n%s", run.Outcome, diff)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.early) > 0 {
		s.t.Errorf("told before the end: %q", h.early)
	}
}

// Whatever a handler makes of its run, its end is told once, as the ledger has it.
func TestEndsAreTold(t *testing.T) {
	t.Parallel()
	for name, want := range endings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStack(t)
			h := s.listen()
			_, run := s.play(want, Config{})
			s.wantTold(h, run)
		})
	}

	t.Run("with what was counted before the commit, and not after", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		h := s.listen()
		s.start(handling(func(ctx context.Context, job *Job[keyed]) error {
			job.Count("created", 3)
			job.Failure("test.partly", "not all of it")
			err := writeEffect(ctx, job)
			job.Count("created", 4)
			job.Failure("test.late", "too late")
			return err
		}), Config{})
		s.wantTold(h, s.publish(`{"key":"a"}`))
	})

	t.Run("with what was counted beside queued statements", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		h := s.listen()
		s.start(handling(func(_ context.Context, job *Job[keyed]) error {
			job.Count("created", 3)
			job.Queue("insert into effects values ($1, $2)", job.RunID, job.Attempt)
			return nil
		}), Config{})
		s.wantTold(h, s.publish(`{"key":"a"}`))
	})

	t.Run("with the trace of who asked for the run", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		h := s.listen()
		s.start(writing(), Config{})
		traced := s.publish(`{"key":"a"}`, func(r *events.Request) { r.TraceParent = producerTrace })
		s.wantTold(h, traced)
		if got := h.of(traced)[0].Header.Get(events.HeaderTraceParent); got != producerTrace {
			t.Errorf("the event's traceparent is %q", got)
		}
	})

	t.Run("of a workspace's own run", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		h := s.listen()
		s.start(writing(), Config{})
		run := s.housekeep(catalog.ReconcileAdapterRuns, `{}`)
		s.wantTold(h, run.ID)
	})
}

// Runs that end without a result of an attempt are told of by whoever ends them, and logged with it.
func TestEndsWithoutAnAttemptAreTold(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		end func(s *stack) uuid.UUID // before the worker runs
		by  string
	}{
		"by the sweeper": {by: "sweeper", end: func(s *stack) uuid.UUID {
			run := s.abandoned(`{"key":"poison"}`)
			s.exec("update oprun.operation_runs set max_attempts = 1 where id = $1", run)
			return run
		}},
		"by the relay": {by: "relay", end: func(s *stack) uuid.UUID {
			run := s.abandoned(`{"key":"lost"}`)
			s.remakeStream()
			return run
		}},
		"by the claim, of a run that has no attempt left": {by: "claim", end: func(s *stack) uuid.UUID {
			run := s.dispatch("a")
			s.publishedInto(run)
			s.exec("update oprun.operation_runs set attempt = max_attempts where id = $1", run)
			return run
		}},
		"by the claim, of a run that is to be cancelled": {by: "claim", end: func(s *stack) uuid.UUID {
			run := s.dispatch("a")
			s.publishedInto(run)
			s.exec("update oprun.operation_runs set cancel_requested_at = now() where id = $1", run)
			return run
		}},
		"by housekeeping": {by: "housekeeping", end: func(s *stack) uuid.UUID {
			run := s.left("a")
			s.stale(run)
			s.askHousekeeping(catalog.ReconcileAdapterRuns, `{}`)
			return run
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStack(t)
			run := test.end(s)
			h := s.listen()
			lines := &logLines{}
			s.start(writing(), Config{Adapters: map[string]Adapter{testType: allGone{}}, Logger: lines.logger()})
			s.wantTold(h, run)
			s.wantOneLine(lines, run, test.by)
		})
	}

	t.Run("by who cancels a queued run", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		h := s.listen()
		queued := s.dispatch("a")
		check(t, Announce(t.Context(), s.conn, events.Subjects{}, s.run(queued)))
		check(t, Announce(t.Context(), s.conn, events.Subjects{}, s.cancel(queued)))
		s.wantTold(h, queued)
	})
}

// The ends of runs are told on subjects of the worker's prefix, or not at all.
func TestEventsAreASetting(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	told := make(chan *nats.Msg, 10)
	must(s.conn.ChanSubscribe("*.succeeded.>", told))(t)
	check(t, s.conn.Flush())
	silent := s.start(writing(), Config{NoEvents: true})
	s.finished(`{"key":"a"}`)
	check(t, silent.stop())
	s.start(writing(), Config{Subjects: events.Subjects{Events: "ends"}})
	s.finished(`{"key":"b"}`)
	select {
	case msg := <-told:
		if want := (events.Subjects{Events: "ends"}).Terminal("succeeded", dedupe.Tenant(s.tenant), testType); msg.Subject != want {
			t.Errorf("told on %s, want %s", msg.Subject, want)
		}
	case <-time.After(45 * time.Second):
		t.Error("the end was not told")
	}
}

func TestAnnouncer(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	a := newAnnouncer(s.js, events.Subjects{}, false)
	stop := a.listen()
	defer stop()
	of := func(i int) topic {
		return topic{oprun.Succeeded, dedupe.Tenant(s.tenant), fmt.Sprintf("test.kind_%d", i)}
	}
	tell := func(t topic) { a.tell(t, func() (Ended, nats.Header) { return Ended{}, nil }) }
	silent := func(t topic) bool {
		a.mu.Lock()
		defer a.mu.Unlock()
		return a.silent[t]
	}

	t.Run("falls silent where nobody listens", func(t *testing.T) {
		s.eventually("silence", func() bool { tell(of(1)); return silent(of(1)) })
	})
	t.Run("notices who begins to listen", func(t *testing.T) {
		told := make(chan *nats.Msg, 1000)
		subscription := must(s.conn.ChanSubscribe("events.*.tenant.*.test.kind_1", told))(t)
		check(t, s.conn.Flush())
		s.eventually("an event", func() bool { tell(of(1)); return len(told) > 0 })
		n := len(told)
		for range 20 {
			tell(of(1))
		}
		s.eventually("all events", func() bool { return len(told) >= n+20 })
		check(t, subscription.Unsubscribe())
		check(t, s.conn.Flush())
		s.eventually("silence again", func() bool { tell(of(1)); return silent(of(1)) })
	})
	t.Run("asks about few topics in a round, and tells of the others unasked", func(t *testing.T) {
		a.mu.Lock()
		a.begun = time.Now().Add(time.Hour) // this round goes on
		clear(a.silent)
		a.asked = nil
		a.mu.Unlock()
		answers, unasked := 0, 0
		for i := range 3 * maxAsked {
			answer, maybe := a.wanted(of(i))
			if strings.HasPrefix(answer, a.inbox) && maybe {
				answers++
			} else if maybe {
				unasked++
			}
		}
		if answers != maxAsked || unasked != 2*maxAsked {
			t.Errorf("%d topics were asked about and %d told of unasked", answers, unasked)
		}
	})
	t.Run("does not take an answer of a round that is over", func(t *testing.T) {
		a.mu.Lock()
		a.asked = append(a.asked[:0], of(1))
		stale := fmt.Sprintf("%s.%d.0", a.inbox, a.number-1)
		clear(a.silent)
		a.mu.Unlock()
		for _, subject := range []string{stale, a.inbox + ".x.y", a.inbox, a.inbox + ".1.-1", "elsewhere"} {
			a.unheard(&nats.Msg{Subject: subject, Header: nats.Header{"Status": {"503"}}})
		}
		if silent(of(1)) {
			t.Error("the topic is silent")
		}
	})
}
