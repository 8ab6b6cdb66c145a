package jobs

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"

	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
	"oprun.example/pkg/oprun"
)

func (s *stack) operator() *Operator { return NewOperator(s.js, s.ledger, events.Subjects{}) }

// crashedOut is a message-first run that has killed its workers as often as it may, and whose payload was never kept.
func (s *stack) crashedOut(input string) uuid.UUID {
	s.t.Helper()
	run := s.abandoned(input)
	s.exec("update oprun.operation_runs set max_attempts = 1 where id = $1", run)
	swept := must(s.ledger.Sweep(s.t.Context(), maxSweep, 0))(s.t)
	if len(swept.Ended) != 1 {
		s.t.Fatalf("the sweeper ended %+v, want the run", swept.Ended)
	}
	return run
}

func TestOperator_retries(t *testing.T) {
	t.Parallel()

	t.Run("a run whose payload is only in the stream", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		old := s.crashedOut(`{"key":"the payload"}`)
		if _, err := s.ledger.Retry(t.Context(), old, "ada", nil); !errors.Is(err, oprun.ErrNoInput) {
			t.Fatalf("the ledger alone: %v, want %v", err, oprun.ErrNoInput)
		}
		run := must(s.operator().Retry(t.Context(), old, " ada\n\x07lovelace "+strings.Repeat("x", 200)))(t)
		var given seen
		s.start(handling(given.write), Config{})
		s.settled(2)
		s.acknowledged()
		given.want(t, "the payload")
		s.wantOneEffectEach(run.ID)
		if got := s.run(old); got.Outcome != oprun.Failed || got.Attempt != 1 {
			t.Errorf("the old run is %s after %d attempts, want it as it was", got.Outcome, got.Attempt)
		}
		got := s.run(run.ID)
		if got.IdentityHash != s.run(old).IdentityHash || !strings.Contains(string(got.Context), `"retry_of": "`+old.String()) {
			t.Errorf("the new run has identity %s and context %s", got.IdentityHash, got.Context)
		}
		if !strings.HasPrefix(got.InitiatorName, "ada lovelace xxx") {
			t.Errorf("the initiator is %q", got.InitiatorName)
		}
	})

	t.Run("nothing with another job's payload, or while the broker is away", func(t *testing.T) {
		t.Parallel() // [X06]
		s := newStack(t)
		old := s.crashedOut(`{"key":"the payload"}`)
		s.remakeStream()
		s.publish(`{"key":"another job's"}`)
		if run, err := s.operator().Retry(t.Context(), old, "ada"); !errors.Is(err, oprun.ErrNoInput) || !errors.Is(err, events.ErrNoMessage) {
			t.Errorf("after another message took its number: run %s, %v", run.ID, err)
		}
		s.nats.Stop()
		if run, err := s.operator().Retry(t.Context(), old, "ada"); err == nil || errors.Is(err, oprun.ErrNoInput) {
			t.Errorf("without a broker: run %s, %v, want an error that does not call the payload lost", run.ID, err)
		}
		check(t, s.nats.Restart())
	})

	t.Run("no run that succeeded, is active, or stands behind an active one", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		w := s.start(writing(), Config{})
		done := s.finished(`{"key":"done"}`)
		check(t, w.stop())
		operator := s.operator()
		if _, err := operator.Retry(t.Context(), done, ""); !errors.Is(err, oprun.ErrSucceeded) {
			t.Errorf("a success: %v, want %v", err, oprun.ErrSucceeded)
		}
		old := s.crashedOut(`{"key":"a"}`)
		again := must(operator.Retry(t.Context(), old, ""))(t)
		if _, err := operator.Retry(t.Context(), again.ID, ""); !errors.Is(err, oprun.ErrActive) {
			t.Errorf("an active run: %v, want %v", err, oprun.ErrActive)
		}
		var active *oprun.ActiveRunError
		if _, err := operator.Retry(t.Context(), old, ""); !errors.As(err, &active) || active.RunID != again.ID {
			t.Errorf("behind an active run: %v, want one that names %s", err, again.ID)
		}
		if _, err := operator.Retry(t.Context(), uuid.New(), ""); !errors.Is(err, oprun.ErrNotFound) {
			t.Errorf("no run: %v, want %v", err, oprun.ErrNotFound)
		}
	})
}

// buried publishes a message that can never run as things are, and returns its dead letter. The worker that buried it
// is gone.
func (s *stack) buried(message *nats.Msg) oprun.DeadLetter {
	s.t.Helper()
	must(s.js.PublishMsg(s.t.Context(), message))(s.t)
	w := s.start(writing(), Config{})
	waiting := oprun.DeadLetterFilter{Waiting: true}
	s.eventually("the letter", func() bool { return len(must(s.ledger.DeadLetters(s.t.Context(), waiting))(s.t)) == 1 })
	check(s.t, w.stop())
	return must(s.ledger.DeadLetters(s.t.Context(), waiting))(s.t)[0]
}

func TestOperator_requeues(t *testing.T) {
	t.Parallel()

	t.Run("a letter twice, and it is one run", func(t *testing.T) {
		t.Parallel() // I5
		s := newStack(t)
		lateTenant := uuid.New()
		subject := events.Subjects{}.Subject(dedupe.Tenant(lateTenant), testType)
		letter := s.buried(&nats.Msg{Subject: subject, Data: []byte(`{"key":"a"}`), Header: nats.Header{
			"Oprun-Request-Id": {"order-7"}, "Oprun-Initiator": {"ada"}, "Nats-Msg-Id": {"mine"},
		}})
		s.exec("update oprun.tenants set external_id = $1", lateTenant) // what was wrong is mended
		operator := s.operator()
		first := must(operator.Requeue(t.Context(), letter.ID))(t)
		if second := must(operator.Requeue(t.Context(), letter.ID))(t); first.Duplicate || !second.Duplicate || second.Seq != first.Seq {
			t.Errorf("requeued at %d and %d, want the second suppressed", first.Seq, second.Seq)
		}
		s.start(writing(), Config{})
		s.settled(1)
		s.remakeStream() // a broker that has forgotten both
		again := must(operator.Requeue(t.Context(), letter.ID))(t)
		s.acknowledged()
		s.settled(1)
		if again.Duplicate || *again.RunID != *first.RunID {
			t.Errorf("requeued into a new stream: %+v, want it stored as run %s", again, first.RunID)
		}
		s.wantOneEffectEach(*first.RunID)
		if got := s.run(*first.RunID); got.InitiatorName != "ada" {
			t.Errorf("the initiator is %q, want ada", got.InitiatorName)
		}
		if n := s.count("select count(*) from oprun.dead_letters where requeued_at is not null"); n != 1 {
			t.Errorf("%d letters are marked, want 1", n)
		}
	})

	t.Run("a letter of an unknown run as a request of its own", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		letter := oprun.DeadLetter{
			Stream: s.topology.Stream, Seq: 9, Subject: events.Subjects{}.Subject(dedupe.Tenant(s.tenant), testType), Body: []byte(`{"key":"a"}`),
			Headers: map[string][]string{events.HeaderRunID: {uuid.NewString()}}, Reason: dedupe.RunUnknown.String(),
		}
		check(t, s.ledger.Bury(t.Context(), []oprun.DeadLetter{letter}))
		buried := must(s.ledger.DeadLetters(t.Context(), oprun.DeadLetterFilter{}))(t)[0]
		requeued := must(s.operator().Requeue(t.Context(), buried.ID))(t)
		s.start(writing(), Config{})
		s.settled(1)
		s.acknowledged()
		s.wantOneEffectEach(*requeued.RunID)
	})

	t.Run("what is refused again as another letter", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		first := s.buried(&nats.Msg{Subject: "jobs.nonsense", Data: []byte(`{}`)})
		requeued := must(s.operator().Requeue(t.Context(), first.ID))(t)
		if requeued.RunID != nil {
			t.Errorf("it says to make run %s", requeued.RunID)
		}
		s.start(writing(), Config{})
		s.eventually("another letter", func() bool { return s.count("select count(*) from oprun.dead_letters") == 2 })
		second := must(s.ledger.DeadLetters(t.Context(), oprun.DeadLetterFilter{Waiting: true}))(t)
		if len(second) != 1 || second[0].ID == first.ID || second[0].Seq != int64(requeued.Seq) {
			t.Errorf("the letters that wait are %+v, want the one of message %d", second, requeued.Seq)
		}
	})

	t.Run("nothing that was not kept as it was sent, or that no stream takes", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		letter := func(seq int64, subject string, headers map[string][]string) oprun.DeadLetter {
			return oprun.DeadLetter{Stream: "JOBS", Seq: seq, Subject: subject, Headers: headers, Reason: dedupe.HeaderInvalid.String()}
		}
		check(t, s.ledger.Bury(t.Context(), []oprun.DeadLetter{
			letter(1, "jobs.a", map[string][]string{"x": {"\xff"}}),
			letter(2, "jobs.a", map[string][]string{"no name": {"x"}}),
			letter(3, "elsewhere.a", nil),
		}))
		for _, l := range must(s.ledger.DeadLetters(t.Context(), oprun.DeadLetterFilter{}))(t) {
			want := map[int64]error{1: ErrLetterAltered, 2: nats.ErrBadHeaderMsg, 3: events.ErrNoStream}[l.Seq]
			if _, err := s.operator().Requeue(t.Context(), l.ID); !errors.Is(err, want) || !strings.Contains(err.Error(), l.ID.String()) {
				t.Errorf("letter %d: %v, want %v", l.Seq, err, want)
			}
		}
		if n := s.count("select count(*) from oprun.dead_letters where requeued_at is null"); n != 3 {
			t.Errorf("%d letters wait, want all", n)
		}
		if _, err := s.operator().Requeue(t.Context(), uuid.New()); !errors.Is(err, oprun.ErrNotFound) {
			t.Errorf("no letter: %v, want %v", err, oprun.ErrNotFound)
		}
	})
}
