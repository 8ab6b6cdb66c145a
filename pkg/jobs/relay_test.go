package jobs

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
	"oprun.example/pkg/oprun"
)

// dispatch makes a run in the ledger, of an identity of this name.
func (s *stack) dispatch(name string) uuid.UUID {
	s.t.Helper()
	run, _, err := s.ledger.EnsureRunWithIdentity(s.t.Context(), oprun.Request{
		Identity: dedupe.Identity{Scope: dedupe.Tenant(s.tenant), Type: testType, Hash: sha256.Sum256([]byte(name))},
		Input:    fmt.Appendf(nil, `{"key":%q}`, name), InitiatorName: "tester",
	})
	check(s.t, err)
	return run.ID
}

// seen collects what handlers were given.
type seen struct {
	mu   sync.Mutex
	keys []string
}

func (x *seen) write(ctx context.Context, job *Job[keyed]) error {
	x.mu.Lock()
	x.keys = append(x.keys, job.Args.Key)
	x.mu.Unlock()
	return writeEffect(ctx, job)
}

func (x *seen) want(t testing.TB, keys ...string) {
	t.Helper()
	x.mu.Lock()
	defer x.mu.Unlock()
	slices.Sort(x.keys)
	if !slices.Equal(x.keys, keys) {
		t.Errorf("handlers were given %q, want %q", x.keys, keys)
	}
}

func TestRelay(t *testing.T) {
	t.Parallel()

	t.Run("publishes runs that were born in the ledger, and two workers run each once", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		const runs = 200
		var ids []uuid.UUID
		for i := range runs {
			ids = append(ids, s.dispatch(fmt.Sprint(i)))
		}
		first, second := s.start(writing(), Config{Poll: 10 * time.Millisecond}), s.start(writing(), Config{Poll: 10 * time.Millisecond})
		s.settled(runs)
		s.acknowledged()
		s.wantOneEffectEach(ids...)
		if n := s.count("select count(*) from oprun.operation_runs where attempt <> 1"); n != 0 {
			t.Errorf("%d runs took more than one attempt", n)
		}
		s.wantCountersEqualRows(first, second)
	})

	t.Run("records no publication of a run that is claimed at once", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		w := s.start(writing(), Config{Poll: 10 * time.Millisecond})
		var ids []uuid.UUID
		for i := range 20 {
			ids = append(ids, s.dispatch(fmt.Sprint(i)))
		}
		s.settled(len(ids))
		s.acknowledged()
		check(t, w.stop())
		s.wantOneEffectEach(ids...)
		if n := s.count("select count(*) from oprun.operation_runs where attempt = 1 and dispatch_no = 0 and published_seq is null"); n != len(ids) {
			t.Errorf("%d of %d runs were claimed before anything was recorded", n, len(ids))
		}
	})

	t.Run("records the publication of a run that nobody claims, within its turn", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		gate := make(chan struct{})
		w := s.start(handling(func(ctx context.Context, job *Job[keyed]) error {
			<-gate
			return writeEffect(ctx, job)
		}), Config{Concurrency: 1, Poll: time.Hour})
		inTheWay := s.publish(`{"key":"in the way"}`)
		s.eventually("the first to run", func() bool {
			return s.count("select count(*) from oprun.operation_runs where status = 'running'") == 1
		})
		waits := s.ask(s.dispatcher(), keyed{"waits"})
		s.eventually("the other's publication to be recorded", func() bool { return s.run(waits.ID).DispatchNo == 1 })
		if n := w.metric(t, "published_messages_total"); n != 1 {
			t.Errorf("%v messages were published for one run", n)
		}
		close(gate)
		s.settled(2)
		s.acknowledged()
		s.wantOneEffectEach(inTheWay, waits.ID)
	})

	t.Run("gives the handler the row's input, whatever the message says", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		run := s.dispatch("of the row")
		s.publish(`{"key":"of the wire"}`, func(r *events.Request) { r.RunID = run })
		var given seen
		s.start(handling(given.write), Config{})
		s.settled(1)
		s.acknowledged()
		given.want(t, "of the row")
		if got := s.run(run); got.InitiatorName != "tester" {
			t.Errorf("the initiator is %q, want tester", got.InitiatorName)
		}
	})

	t.Run("brings an input back byte for byte, however odd it is", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		inputs := []string{
			`{"key":"a\u0000b"}`,
			" {\n\t\"key\" : \"b\", \"n\" : [1e400, -0.0, 123456789012345678901234567890] } ",
			`{"key":"\ud83d\ude00 \u2028 é","":{"":null}}`,
			`{"key":"d","deep":` + strings.Repeat("[", 31) + strings.Repeat("]", 31) + `}`,
			`{"key":"` + strings.Repeat("e", 256<<10-10) + `"}`,
		}
		var mu sync.Mutex
		var given []string
		s.start(handling(func(ctx context.Context, job *Job[keyed]) error {
			if job.Attempt == 1 {
				return errBoom
			}
			mu.Lock()
			given = append(given, string(job.Input))
			mu.Unlock()
			return writeEffect(ctx, job)
		}), Config{})
		runs := s.publishAll(inputs)
		s.settled(len(inputs))
		s.acknowledged()
		s.wantOneEffectEach(runs...)
		slices.Sort(given)
		slices.Sort(inputs)
		if diff := cmp.Diff(inputs, given); diff != "" {
			t.Errorf("inputs of the second attempts (-want +got):\n%.2000s", diff)
		}
	})

	t.Run("publishes a run again when its message was lost with the stream", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		run := s.dispatch("a")
		s.publishedInto(run)
		s.remakeStream()
		s.start(writing(), Config{})
		s.exec("update oprun.operation_runs set due_at = now() where id = $1", run) // instead of a wait of T
		s.settled(1)
		s.acknowledged()
		s.wantOneEffectEach(run)
	})

	t.Run("does not let what no broker takes stand in the way", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		deep := s.dispatch("too deep")
		for i := range maxRelay {
			s.dispatch(fmt.Sprint("too deep ", i))
		}
		s.exec(`update oprun.operation_runs set due_at = now() - interval '1 h',
			input = ('{"key":' || repeat('[', 40) || repeat(']', 40) || '}')::json`)
		run := s.dispatch("good")
		w := s.start(writing(), Config{})
		s.eventually("the good run to end", func() bool { return s.run(run).Status == "completed" })
		s.wantOneEffectEach(run)
		s.settled(maxRelay + 2)
		s.wantReconciled(deep, oprun.Failed, oprun.DispatchFailed, "relay")
		s.eventually("each to be counted", func() bool { return w.metric(t, "reconciled_runs_total", "reason=run.dispatch_failed") == maxRelay+1 })
	})

	t.Run("leaves a run whose message stands in another stream to the workers of that stream", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		far := s.leftIn("OTHER")
		near := s.dispatch("near")
		s.start(writing(), Config{})
		s.eventually("the near run to end", func() bool { return s.run(near).Status == "completed" })
		if run := s.run(far); run.Status != "queued" {
			t.Errorf("the far run is %s (%s), want it queued", run.Status, run.Outcome)
		}
	})

	t.Run("leaves a run alone whose message still waits in the stream", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		gate := make(chan struct{})
		w := s.start(handling(func(ctx context.Context, job *Job[keyed]) error {
			<-gate
			return writeEffect(ctx, job)
		}), Config{Concurrency: 1})
		runs := []uuid.UUID{s.publish(`{"key":"in the way"}`), s.dispatch("a"), s.dispatch("b")}
		published := func() int {
			return s.count("select count(*) from oprun.operation_runs where status = 'queued' and published_seq is not null and due_at > now() + interval '1 s'")
		}
		s.eventually("both to be published", func() bool { return published() == 2 })
		s.exec("update oprun.operation_runs set due_at = now() where status = 'queued'")
		s.eventually("both to be put off", func() bool { return published() == 2 })
		if n := w.metric(t, "published_messages_total"); n != 2 {
			t.Errorf("%v messages were published for 2 runs", n)
		}
		close(gate)
		s.settled(3)
		s.acknowledged()
		s.wantOneEffectEach(runs...)
	})
}

// leftIn returns a run that a worker of another stream, with subjects of its own, has left behind: it is due, and its
// input is there alone.
func (s *stack) leftIn(stream string) uuid.UUID {
	s.t.Helper()
	other := s.topology
	other.Stream, other.Subjects.Prefix = stream, "other"
	must(other.Apply(s.t.Context(), s.js, false))(s.t)
	publisher := events.NewPublisher(s.js, events.PublisherConfig{Subjects: other.Subjects})
	must(publisher.Publish(s.t.Context(), s.request(`{"key":"far"}`)))(s.t)
	run := s.dispatch("far")
	s.exec(`update oprun.operation_runs set input = null, due_at = now() - interval '1 h',
		origin_stream = $2, origin_seq = 1, origin_time = now() where id = $1`, run, stream)
	return run
}

// publishedInto has a run published by a worker that then goes away without having claimed it.
func (s *stack) publishedInto(run uuid.UUID) {
	s.t.Helper()
	w := must(NewWorker(s.js, s.ledger, s.catalog, writing(), Config{}))(s.t)
	check(s.t, w.bind(s.t.Context()))
	w.lifetime = s.t.Context()
	r := newRelay(w, make(chan struct{}, 1))
	r.once(s.t.Context())
	r.close()
	r.alarm.Stop()
	if s.run(run).DispatchNo != 1 {
		s.t.Fatal("the run was not published")
	}
}

// remakeStream deletes the stream and makes it anew, empty, with its consumer.
func (s *stack) remakeStream() {
	s.t.Helper()
	check(s.t, s.js.DeleteStream(s.t.Context(), s.topology.Stream))
	must(s.topology.Apply(s.t.Context(), s.js, false))(s.t)
}
