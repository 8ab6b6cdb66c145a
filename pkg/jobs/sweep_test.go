package jobs

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"

	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
	"oprun.example/pkg/oprun"
)

// abandoned is the run of a worker that died after its claim, and whose message will never be delivered again:
// somebody has acknowledged it by hand. Its lease is over.
func (s *stack) abandoned(input string) uuid.UUID {
	s.t.Helper()
	run := s.claimed(input)
	s.endLease(run)
	return run
}

func (s *stack) endLease(run uuid.UUID) {
	s.t.Helper()
	s.exec("update oprun.operation_runs set lease_expires_at = now(), due_at = now() where id = $1", run)
}

func (s *stack) claimed(input string) uuid.UUID {
	s.t.Helper()
	run := s.publish(input)
	consumer := must(s.js.Consumer(s.t.Context(), s.topology.Stream, s.topology.Consumer))(s.t)
	msg := must(consumer.Next())(s.t)
	message := must(events.FromMsg(msg))(s.t)
	job := must(events.Codec{}.Decode(message))(s.t)
	identity := must(testJob("key").Rule().Identify(job.Scope, job.Type, job.Input, job.Occurrence))(s.t)
	answers := must(s.ledger.Claim(s.t.Context(), oprun.Claimer{Worker: uuid.New(), Stream: message.Stream}, []oprun.Delivery{{
		RunID: job.Occurrence.RunID(job.Scope, job.Type), Identity: identity, Token: uuid.New(), Lease: time.Minute,
		MaxAttempts: 3, Seq: message.Seq, StoredAt: message.StoredAt,
	}}))(s.t)
	if answers[0].Verdict != dedupe.Execute || answers[0].RunID != run {
		s.t.Fatalf("the claim was answered with %s for run %s", answers[0].Verdict, answers[0].RunID)
	}
	check(s.t, msg.DoubleAck(s.t.Context()))
	return run
}

// A run whose worker died, and whose message does not come again, is not forgotten (I4), and is never run with
// another job's payload.
func TestSweeper(t *testing.T) {
	t.Parallel()

	t.Run("queues an abandoned run again, with its payload from the stream", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		run := s.abandoned(`{"key":"the payload"}`)
		var given seen
		w := s.start(handling(given.write), Config{})
		s.settled(1)
		s.acknowledged()
		s.wantOneEffectEach(run)
		given.want(t, "the payload")
		wantAttempts(t, s.attempts(run), oprun.AttemptAbandoned, oprun.AttemptSucceeded)
		if n := w.metric(t, "sweeper_actions_total", "action=requeued"); n != 1 {
			t.Errorf("%v runs were counted as requeued, want 1", n)
		}
	})

	t.Run("needs no redelivery when the consumer was made anew and starts at the end", func(t *testing.T) {
		t.Parallel()
		s := newPortStack(t, nil)
		c := s.process("halt in the handler")
		run := s.publish(`{"key":"the payload"}`)
		c.is("in the handler")
		c.kill()
		consumer := s.consumer().Config
		check(t, s.js.DeleteConsumer(t.Context(), s.topology.Stream, s.topology.Consumer))
		consumer.DeliverPolicy = jetstream.DeliverNewPolicy
		must(s.js.CreateConsumer(t.Context(), s.topology.Stream, consumer))(t)
		var given seen
		s.start(handling(given.write), Config{})
		s.settled(1)
		s.acknowledged()
		s.wantOneEffectEach(run)
		given.want(t, "the payload")
	})

	t.Run("ends a run as lost when the stream was purged", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		run := s.abandoned(`{"key":"the payload"}`)
		stream := must(s.js.Stream(t.Context(), s.topology.Stream))(t)
		check(t, stream.Purge(t.Context()))
		w := s.start(writing(), Config{})
		s.settled(1)
		s.wantLost(run)
		s.wantCountersEqualRows(w)
		s.eventually("it to be counted as lost", func() bool { return w.metric(t, "reconciled_runs_total", "reason=run.message_lost") == 1 })
	})

	t.Run("never takes another job's payload from a stream that was made anew", func(t *testing.T) {
		t.Parallel() // [X06]
		s := newStack(t)
		run := s.abandoned(`{"key":"the payload"}`)
		s.remakeStream()
		other := s.publish(`{"key":"another job's"}`)
		var given seen
		w := s.start(handling(given.write), Config{})
		s.settled(2)
		s.acknowledged()
		s.wantLost(run)
		if got := s.run(other); got.Outcome != oprun.Succeeded || *got.OriginSeq != 1 {
			t.Errorf("the other job's run ended as %s, from message %d", got.Outcome, *got.OriginSeq)
		}
		given.want(t, "another job's")
		s.wantCountersEqualRows(w)
	})

	t.Run("calls nothing lost while the broker does not answer", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		run := s.claimed(`{"key":"the payload"}`)
		log := &lockedLog{}
		s.start(writing(), Config{Logger: slog.New(slog.NewTextHandler(log, nil))})
		s.eventually("the worker to pull", func() bool { return s.consumer().NumWaiting > 0 })
		s.nats.Stop()
		s.endLease(run)
		s.eventually("the relay to have tried", func() bool { return strings.Contains(log.String(), "relay failed") })
		if status := s.run(run).Status; status != "queued" {
			t.Errorf("the run is %s, want it queued", status)
		}
		check(t, s.nats.Restart())
		s.settled(1)
		s.acknowledged()
		s.wantOneEffectEach(run)
	})

	t.Run("ends a run that has killed its workers as often as it may", func(t *testing.T) {
		t.Parallel() // I7
		s := newStack(t)
		run := s.abandoned(`{"key":"poison"}`)
		s.exec("update oprun.operation_runs set max_attempts = 1 where id = $1", run)
		w := s.start(writing(), Config{})
		s.settled(1)
		got := s.run(run)
		if got.Outcome != oprun.Failed || len(got.FailureSummary) != 1 || got.FailureSummary[0].Code != "run.crash_loop" {
			t.Errorf("the run ended as %s (%v), want failed with run.crash_loop", got.Outcome, got.FailureSummary)
		}
		s.wantOneEffectEach()
		s.wantCountersEqualRows(w)
	})
}

func (s *stack) wantLost(id uuid.UUID) {
	s.t.Helper()
	s.wantReconciled(id, oprun.Failed, oprun.MessageLost, "relay")
}
