package jobs

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"

	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
	"oprun.example/pkg/oprun"
)

func (s *stack) waiter() *Waiter { return NewWaiter(s.js, s.ledger, events.Subjects{}) }

// patient is a wait that takes a test down with it when it hangs.
func patient(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 45*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func (s *stack) wantEnded(run oprun.Run, id uuid.UUID, outcome oprun.Outcome) {
	s.t.Helper()
	if run.ID != id || run.Outcome != outcome || run.CompletedAt == nil {
		s.t.Errorf("the run is %s, %s, want %s, %s", run.ID, run.Outcome, id, outcome)
	}
}

// Waiting for a run believes the ledger alone; an event makes it look at once.
func TestDispatcherWait(t *testing.T) {
	t.Parallel()

	t.Run("returns the run as it has ended", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		s.start(handling(func(ctx context.Context, job *Job[keyed]) error {
			if job.Args.Key == "bad" {
				return Permanent(errBoom)
			}
			return writeEffect(ctx, job)
		}), Config{})
		d := s.dispatcher()
		for key, outcome := range map[string]oprun.Outcome{"good": oprun.Succeeded, "bad": oprun.Failed} {
			id := s.ask(d, keyed{key}).ID
			s.wantEnded(must(d.Wait(patient(t), id))(t), id, outcome)
			s.wantEnded(must(d.Wait(patient(t), id))(t), id, outcome) // it had ended before
		}
	})

	t.Run("hears of the end before it would look again", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		begun, leave := make(chan uuid.UUID, 1), make(chan struct{})
		s.start(handling(func(_ context.Context, job *Job[keyed]) error {
			begun <- job.RunID
			<-leave
			return nil
		}), Config{})
		id := s.publish(`{"key":"a"}`)
		<-begun
		w, looks := s.waiter(), make(chan struct{}, 100)
		v := w.vigil(func(ctx context.Context) (oprun.Run, error) {
			looks <- struct{}{}
			return w.ledger.Run(ctx, id)
		})
		v.first, v.last = time.Hour, time.Hour
		defer v.deafen()
		ctx, ended := patient(t), make(chan oprun.Run, 1)
		go func() {
			run, _ := v.keep(ctx)
			ended <- run
		}()
		<-looks
		<-looks // the second comes when it listens; the next one is an hour away
		s.publish(`{"key":"another of the type"}`)
		close(leave)
		s.wantEnded(<-ended, id, oprun.Succeeded)
	})

	for name, config := range map[string]struct {
		worker Config
		deaf   bool
	}{
		"does without events":       {worker: Config{NoEvents: true}},
		"does without a connection": {deaf: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStack(t)
			s.start(writing(), config.worker)
			d := s.dispatcher()
			if config.deaf {
				d = NewDispatcher(s.ledger, s.catalog, nil, DispatcherConfig{})
			}
			id := s.ask(d, keyed{"a"}).ID
			s.wantEnded(must(d.Wait(patient(t), id))(t), id, oprun.Succeeded)
		})
	}

	t.Run("ends with its context, and tells how the run stood", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		enough := errors.New("enough")
		id := s.dispatch("a")
		ctx, cancel := context.WithTimeoutCause(t.Context(), 300*time.Millisecond, enough)
		defer cancel()
		run, err := s.dispatcher().Wait(ctx, id)
		if !errors.Is(err, enough) || run.ID != id || run.Status != "queued" {
			t.Errorf("run %s is %s (%v), want %s queued, and the cause of the context", run.ID, run.Status, err, id)
		}
		if _, err := s.dispatcher().Wait(patient(t), uuid.New()); !errors.Is(err, oprun.ErrNotFound) {
			t.Errorf("an unknown run: %v", err)
		}
	})

	t.Run("waits for a ledger that is away", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		s.start(writing(), Config{})
		id := s.finished(`{"key":"a"}`)
		away := 3
		w := s.waiter()
		v := w.vigil(func(ctx context.Context) (oprun.Run, error) {
			if away--; away >= 0 {
				return oprun.Run{}, context.DeadlineExceeded
			}
			return w.ledger.Run(ctx, id)
		})
		s.wantEnded(must(v.keep(patient(t)))(t), id, oprun.Succeeded)
	})
}

// A message's run is the one that stands for it: its own, the one it names, the one it joined.
func TestWaitFor(t *testing.T) {
	t.Parallel()

	send := func(s *stack, input string, change ...func(*events.Request)) events.Ack {
		s.t.Helper()
		return must(s.publisher.Publish(s.t.Context(), s.request(input, change...)))(s.t)
	}

	t.Run("the run that it makes, and the run that it joins", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		begun, leave := make(chan uuid.UUID, 1), make(chan struct{})
		s.start(handling(func(_ context.Context, job *Job[keyed]) error {
			begun <- job.RunID
			<-leave
			return nil
		}), Config{})
		first := send(s, `{"key":"a"}`)
		id := <-begun
		second := send(s, `{"key":"a"}`)
		s.eventually("the second to join", func() bool { return s.recordedDuplicates() == 1 })
		close(leave)
		for _, ack := range []events.Ack{first, second} {
			s.wantEnded(must(s.waiter().WaitFor(patient(t), ack))(t), id, oprun.Succeeded)
		}
	})

	t.Run("a run that it names, and one of its own place in the stream", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		s.start(writing(), Config{})
		id := s.dispatch("a")
		named := send(s, `{"key":"a"}`, func(r *events.Request) { r.RunID = id })
		s.wantEnded(must(s.waiter().WaitFor(patient(t), named))(t), id, oprun.Succeeded)
		plain := must(s.js.Publish(t.Context(), events.Subjects{}.Subject(dedupe.Tenant(s.tenant), testType), []byte(`{"key":"b"}`)))(t)
		run := must(s.waiter().WaitFor(patient(t), events.Ack{Stream: plain.Stream, Seq: plain.Sequence}))(t)
		if run.Outcome != oprun.Succeeded || run.OriginSeq == nil || *run.OriginSeq != int64(plain.Sequence) {
			t.Errorf("the run is %s, of message %v", run.Outcome, run.OriginSeq)
		}
	})

	t.Run("none, when the message can never run", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		s.start(writing(), Config{})
		_, err := s.waiter().WaitFor(patient(t), send(s, `{"other":"a"}`))
		rejected, ok := errors.AsType[*RejectedError](err)
		if !ok || rejected.Reason != dedupe.IdentityInputMissing.String() || rejected.LetterID == uuid.Nil {
			t.Errorf("the error is %v", err)
		}
	})

	t.Run("none yet, while nobody claims it", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		run, err := s.waiter().WaitFor(ctx, send(s, `{"key":"a"}`))
		if !errors.Is(err, context.DeadlineExceeded) || run.ID != uuid.Nil {
			t.Errorf("run %s: %v", run.ID, err)
		}
		if _, err := s.waiter().WaitFor(patient(t), events.Ack{Stream: "JOBS", Seq: 77}); !errors.Is(err, events.ErrNoMessage) {
			t.Errorf("a message that is not there: %v", err)
		}
	})
}
