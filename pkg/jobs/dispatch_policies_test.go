package jobs

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"

	"oprun.example/pkg/catalog"
	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
	"oprun.example/pkg/oprun"
)

// noted is an input of which the key alone is declared.
type noted struct {
	Key  string `json:"key"`
	Note string `json:"note"`
}

// declaring is a stack whose test type declares something more.
func declaring(t testing.TB, change func(job *catalog.Job)) *stack {
	t.Helper()
	s := newStack(t)
	job := testJob("key")
	change(&job)
	s.catalog = testCatalog(t, job)
	return s
}

func TestDispatchPolicies(t *testing.T) {
	t.Parallel()

	t.Run("a request behind a running run follows it up with its own input, and a third joins", func(t *testing.T) {
		t.Parallel()
		s := declaring(t, func(job *catalog.Job) { job.OnDuplicate = catalog.FollowUp })
		gate, notes := make(chan struct{}), make(chan string, 9)
		mux := &Mux{}
		Handle(mux, testType, func(ctx context.Context, job *Job[noted]) error {
			notes <- job.Args.Note
			<-gate
			return writeEffect(ctx, &Job[keyed]{Work: job.Work})
		})
		s.start(mux, Config{})
		owner := s.ask(s.dispatcher(), noted{"a", "first"})
		s.running(owner.ID)
		next := s.ask(s.dispatcher(), noted{"a", "second"})
		wantRun(t, next, next.ID, true)
		wantRun(t, s.ask(s.dispatcher(), noted{"a", "third"}), next.ID, false)
		close(gate)
		s.settled(2)
		s.wantOneEffectEach(owner.ID, next.ID)
		if first, second := <-notes, <-notes; first != "first" || second != "second" {
			t.Errorf("the inputs were %q and %q", first, second)
		}
	})

	t.Run("an identity that runs once is answered with its run for ever", func(t *testing.T) {
		t.Parallel()
		s := declaring(t, func(job *catalog.Job) { job.IdentityMode = dedupe.OnceMode })
		s.start(writing(), Config{})
		run := s.ask(s.dispatcher(), keyed{"a"})
		s.succeeded(run.ID)
		again := s.ask(s.dispatcher(), keyed{"a"})
		wantRun(t, again, run.ID, false)
		if again.Outcome != oprun.Succeeded {
			t.Errorf("its outcome is %s", again.Outcome)
		}
		s.publish(`{"key":"a"}`)
		s.acknowledged()
		s.settled(1)
		s.wantOneEffectEach(run.ID)
	})

	t.Run("an identity that cools down is answered with the run of its success", func(t *testing.T) {
		t.Parallel()
		s := declaring(t, func(job *catalog.Job) { job.Cooldown = time.Hour })
		s.start(writing(), Config{})
		run := s.ask(s.dispatcher(), keyed{"a"})
		s.succeeded(run.ID)
		wantRun(t, s.ask(s.dispatcher(), keyed{"a"}), run.ID, false)
		s.exec("update oprun.operation_runs set cooldown_until = now()") // an hour later
		second := s.ask(s.dispatcher(), keyed{"a"})
		wantRun(t, second, second.ID, true)
		s.settled(2)
		s.wantOneEffectEach(run.ID, second.ID)
	})

	t.Run("each request is a run of its own where the type says so", func(t *testing.T) {
		t.Parallel()
		s := declaring(t, func(job *catalog.Job) { job.IdentityMode = dedupe.RequestMode })
		first, second := s.ask(s.dispatcher(), keyed{"a"}), s.ask(s.dispatcher(), keyed{"a"})
		s.start(writing(), Config{})
		s.settled(2)
		s.wantOneEffectEach(first.ID, second.ID)
	})
}

// A request with an id is one request (I5), however it is sent.
func TestDispatchOfARequest(t *testing.T) {
	t.Parallel()
	for mode, change := range map[string]func(job *catalog.Job){
		"mode active":    func(*catalog.Job) {},
		"mode request":   func(job *catalog.Job) { job.IdentityMode = dedupe.RequestMode },
		"mode once":      func(job *catalog.Job) { job.IdentityMode = dedupe.OnceMode },
		"with follow-up": func(job *catalog.Job) { job.OnDuplicate = catalog.FollowUp },
	} {
		byMessage := func(s *stack) uuid.UUID {
			return s.publish(`{"key":"a","note":"of the wire"}`, func(r *events.Request) { r.RequestID = "order-7" })
		}
		byLedger := func(s *stack) Dispatched {
			return s.ask(s.dispatcher().With(DispatchOptions{RequestID: "order-7"}), noted{"a", "of the row"})
		}
		t.Run(mode+", asked twice is one run, also when it has ended", func(t *testing.T) {
			t.Parallel()
			s := declaring(t, change)
			run := byLedger(s)
			wantRun(t, byLedger(s), run.ID, false)
			s.start(writing(), Config{})
			s.settled(1)
			wantRun(t, byLedger(s), run.ID, false)
			s.wantOneEffectEach(run.ID)
		})
		t.Run(mode+", asked in the ledger and then by a message runs once, with the input of the row", func(t *testing.T) {
			t.Parallel()
			s := declaring(t, change)
			run := byLedger(s)
			s.exec("update oprun.operation_runs set due_at = now() + interval '1 h'") // so that the message is first
			if got := byMessage(s); got != run.ID {
				t.Errorf("the message makes run %s, want %s", got, run.ID)
			}
			notes := make(chan string, 9)
			mux := &Mux{}
			Handle(mux, testType, func(ctx context.Context, job *Job[noted]) error {
				notes <- job.Args.Note
				return writeEffect(ctx, &Job[keyed]{Work: job.Work})
			})
			s.start(mux, Config{})
			s.settled(1)
			s.acknowledged()
			s.wantOneEffectEach(run.ID)
			if note := <-notes; note != "of the row" {
				t.Errorf("the input is that %s", note)
			}
		})
		t.Run(mode+", asked by a message and then in the ledger is the message's run", func(t *testing.T) {
			t.Parallel()
			s := declaring(t, change)
			run := byMessage(s)
			s.start(writing(), Config{})
			s.settled(1)
			wantRun(t, byLedger(s), run, false)
			s.wantOneEffectEach(run)
		})
	}

	t.Run("that joined another's run stays joined, whichever way it is repeated", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		owner := s.ask(s.dispatcher(), keyed{"a"})
		byLedger := s.dispatcher().With(DispatchOptions{RequestID: "order-7"})
		wantRun(t, s.ask(byLedger, keyed{"a"}), owner.ID, false)
		s.start(writing(), Config{})
		s.settled(1)
		wantRun(t, s.ask(byLedger, keyed{"a"}), owner.ID, false)
		s.publish(`{"key":"a"}`, func(r *events.Request) { r.RequestID = "order-7" })
		s.acknowledged()
		s.settled(1)
		s.wantOneEffectEach(owner.ID)
	})
}
