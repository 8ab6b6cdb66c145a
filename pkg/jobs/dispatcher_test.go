package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/uuid"

	"oprun.example/pkg/catalog"
	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
	"oprun.example/pkg/oprun"
)

// dispatcher asks for runs of the stack's catalogue, on the stack's own connections.
func (s *stack) dispatcher() *Dispatcher {
	return NewDispatcher(s.ledger, s.catalog, s.conn, DispatcherConfig{})
}

// ask dispatches one job of the tenant's.
func (s *stack) ask(d *Dispatcher, args any) Dispatched {
	s.t.Helper()
	return must(d.Dispatch(s.t.Context(), dedupe.Tenant(s.tenant), testType, args))(s.t)
}

// wantRun fails the test unless the request came to this run, and made it or not.
func wantRun(t testing.TB, got Dispatched, id uuid.UUID, created bool) {
	t.Helper()
	if got.ID != id || got.Created != created {
		t.Errorf("the request came to run %s, created %t; want %s, %t", got.ID, got.Created, id, created)
	}
}

func TestDispatch(t *testing.T) {
	t.Parallel()

	t.Run("makes one run of each identity, and each runs once", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		d := s.dispatcher().With(DispatchOptions{Initiator: "ada", InitiatorID: uuid.New()})
		var ids []uuid.UUID
		for i := range 50 {
			first := s.ask(d, keyed{fmt.Sprint(i)})
			wantRun(t, s.ask(s.dispatcher(), fmt.Appendf(nil, `{"key":"%d", "not": "declared"}`, i)), first.ID, false)
			wantRun(t, first, first.ID, true)
			ids = append(ids, first.ID)
		}
		s.start(writing(), Config{})
		s.settled(len(ids))
		s.wantOneEffectEach(ids...)
		got := s.run(ids[0])
		if got.InitiatorName != "ada" || *got.InitiatorID != d.options.InitiatorID || got.MaxAttempts != 3 || got.OriginSeq != nil {
			t.Errorf("the run is %+v", got)
		}
	})

	t.Run("wakes a worker whose relay would not look for an hour", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		w := s.start(writing(), Config{Poll: time.Hour})
		s.eventually("the relay to look", func() bool { return w.metric(t, "relay_last_success_timestamp_seconds") > 0 })
		var ids []uuid.UUID
		for i := range 20 {
			ids = append(ids, s.ask(s.dispatcher(), keyed{fmt.Sprint(i)}).ID)
		}
		s.settled(len(ids))
		s.wantOneEffectEach(ids...)
	})

	t.Run("needs no connection to the broker", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		s.start(writing(), Config{})
		run := s.ask(NewDispatcher(s.ledger, s.catalog, nil, DispatcherConfig{}), keyed{"a"})
		s.settled(1)
		s.wantOneEffectEach(run.ID)
	})

	t.Run("keeps a job for its time", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		later := s.ask(s.dispatcher().With(DispatchOptions{RunAt: time.Now().Add(time.Hour)}), keyed{"later"})
		s.start(writing(), Config{})
		now := s.ask(s.dispatcher(), keyed{"now"})
		s.eventually("the job of now to end", func() bool { return s.run(now.ID).Status == "completed" })
		if got := s.run(later.ID); got.Status != "queued" || got.DispatchNo != 0 || got.Attempt != 0 {
			t.Errorf("before its time the run is %s, published %d times and tried %d times", got.Status, got.DispatchNo, got.Attempt)
		}
		s.exec("update oprun.operation_runs set run_at = now(), due_at = now() where id = $1", later.ID) // an hour later
		s.settled(2)
		s.wantOneEffectEach(now.ID, later.ID)
	})

	t.Run("keeps the jobs of a suspended tenant until it resumes", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		must(s.ledger.Suspend(t.Context(), s.tenant))(t)
		run := s.ask(s.dispatcher(), keyed{"a"})
		s.start(writing(), Config{})
		s.eventually("the run to be parked", func() bool {
			return s.count("select count(*) from oprun.operation_runs where due_at = 'infinity' and status = 'queued'") == 1
		})
		wantRun(t, s.ask(s.dispatcher(), keyed{"a"}), run.ID, false)
		_, parked, err := s.ledger.Resume(t.Context(), s.tenant)
		check(t, err)
		if parked != 1 {
			t.Errorf("%d runs were parked, want 1", parked)
		}
		s.settled(1)
		s.wantOneEffectEach(run.ID)
	})

	t.Run("says that the ledger does not know the tenant", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		_, err := s.dispatcher().Dispatch(t.Context(), dedupe.Tenant(uuid.New()), testType, keyed{"a"})
		if !errors.Is(err, oprun.ErrScopeUnknown) {
			t.Errorf("got %v, want ErrScopeUnknown", err)
		}
	})
}

// I4: what Postgres has accepted is not lost with the broker's memory, and nothing runs twice for it.
func TestDispatchOutlivesTheStream(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(*stack){
		"that is purged": func(s *stack) {
			check(s.t, must(s.js.Stream(s.t.Context(), s.topology.Stream))(s.t).Purge(s.t.Context()))
		},
		"that is deleted and remade": func(s *stack) { s.remakeStream() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStack(t)
			const runs = 200
			var ids []uuid.UUID
			for i := range runs / 2 {
				ids = append(ids, s.ask(s.dispatcher(), keyed{fmt.Sprint(i)}).ID)
			}
			var calls atomic.Int64
			found := make(chan struct{}) // the jobs that the stream loses go on when they are found again
			mux := handling(func(ctx context.Context, job *Job[keyed]) error {
				if calls.Add(1) > runs/8 {
					select {
					case <-found:
					case <-ctx.Done():
						return ctx.Err()
					}
				}
				return writeEffect(ctx, job)
			})
			first := s.start(mux, Config{Concurrency: 10, DrainTimeout: time.Millisecond})
			s.eventually("all to be published, and some to run", func() bool {
				return s.count("select count(*) from oprun.operation_runs where status <> 'queued' or published_seq is not null") == runs/2 &&
					s.count("select count(*) from effects") == runs/8
			})
			for i := range runs / 2 {
				ids = append(ids, s.ask(s.dispatcher(), keyed{fmt.Sprint(runs/2 + i)}).ID)
			}
			check(t, first.stop())
			lose(s)
			close(found)
			s.start(mux, Config{})
			s.eventually("all runs to end", func() bool {
				// Instead of a wait of T, each time: a publication whose record the stop cut off is taken for a duplicate by the
				// broker, though its message is gone.
				s.exec("update oprun.operation_runs set due_at = now() where status = 'queued' and due_at > now() + interval '5 s'")
				return s.count("select count(*) from oprun.operation_runs where completed_at is not null") == runs
			})
			s.settled(runs)
			s.wantOneEffectEach(ids...)
		})
	}
}

func TestDispatchRefuses(t *testing.T) {
	t.Parallel()
	job := testJob("key")
	job.Schema = "test.json"
	schemas := fstest.MapFS{"test.json": {Data: []byte(`{"properties": {"key": {"type": "string"}, "n": {"maximum": 9}}}`)}}
	exact := testJob("key")
	cat := must(catalog.New(catalog.Catalog{Jobs: map[string]catalog.Job{testType: job, "test.exact": exact}}, schemas))(t)
	d := NewDispatcher(nil, cat, nil, DispatcherConfig{}) // no ledger: it is not asked
	tenant := dedupe.Tenant(uuid.New())
	for name, test := range map[string]struct {
		dispatcher *Dispatcher
		scope      dedupe.Scope
		jobType    string
		args       any
		reason     dedupe.Reason
		text       string
	}{
		"a type that the catalogue does not declare": {jobType: "test.absent", reason: dedupe.TypeUnknown, text: `"test.absent": add it`},
		"a scope of the other kind":                  {scope: dedupe.Workspace(uuid.New()), reason: dedupe.TypeUnknown, text: "declared for scope tenant"},
		"no scope":                                   {scope: dedupe.Scope{ID: uuid.New()}, reason: dedupe.TypeUnknown, text: "declared for scope tenant"},
		"what cannot be encoded":                     {args: make(chan int), reason: dedupe.Malformed, text: "args: "},
		"what is no object":                          {args: []string{"a"}, reason: dedupe.Malformed, text: "not a JSON object"},
		"text":                                       {args: `{"key":"a"}`, reason: dedupe.Malformed, text: "not a JSON object"},
		"a nil pointer":                              {args: (*keyed)(nil), reason: dedupe.Malformed, text: "not a JSON object"},
		"bytes with a name twice":                    {args: []byte(`{"key":"a","key":"b"}`), reason: dedupe.Malformed, text: "same name twice"},
		"two objects":                                {args: json.RawMessage(`{"key":"a"}{}`), reason: dedupe.Malformed, text: "more than one JSON value"},
		"an input that is too large":                 {args: keyed{strings.Repeat("a", events.MaxInputBytes)}, reason: dedupe.Oversize, text: "262144"},
		"an input that breaks the schema":            {args: []byte(`{"key":"a","n":10}`), reason: dedupe.SchemaViolated, text: "/n"},
		"an input without an identity":               {args: nil, reason: dedupe.IdentityInputMissing, text: `"key"`},
		"an identity that is not exact": {
			jobType: "test.exact", args: []byte(`{"key":9007199254740993}`), reason: dedupe.IdentityInputInexact, text: `"key"`,
		},
		"a request id with a space": {
			dispatcher: d.With(DispatchOptions{RequestID: "order 7"}), args: keyed{"a"}, reason: dedupe.HeaderInvalid, text: "request id",
		},
		"an initiator with spaces at its ends": {
			dispatcher: d.With(DispatchOptions{Initiator: " ada"}), args: keyed{"a"}, reason: dedupe.HeaderInvalid, text: "initiator",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dispatcher, scope, jobType := orDefault(test.dispatcher, d), orDefault(test.scope, tenant), orDefault(test.jobType, testType)
			_, err := dispatcher.Dispatch(t.Context(), scope, jobType, test.args)
			refusal, ok := errors.AsType[*events.Refusal](err)
			if !ok || refusal.Reason != test.reason || !strings.Contains(err.Error(), test.text) {
				t.Errorf("got %v, want %s with %q", err, test.reason, test.text)
			}
			if _, err := dispatcher.DispatchTx(t.Context(), nil, scope, jobType, test.args); err == nil {
				t.Error("in a transaction it is taken")
			}
		})
	}
}
