package jobs

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/uuid"

	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
	"oprun.example/pkg/oprun"
)

// A dispatch joins a run whose message has not brought its body yet. The run does what its message says; only when that
// is lost does it do what the dispatch asked for, which does not depend on the stream.
func TestDispatchJoinsARunWithoutInput(t *testing.T) {
	t.Parallel()
	const message, dispatched = `{"key":"a","n":1}`, `{"key":"a","n":2}`
	for name, test := range map[string]struct {
		lost bool
		want string
	}{
		"whose message is there": {false, message},
		"whose message is lost":  {true, dispatched},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStack(t)
			run := s.withoutInput(message)
			joined := must(s.dispatcher().Dispatch(t.Context(), dedupe.Tenant(s.tenant), testType, json.RawMessage(dispatched)))(t)
			if joined.ID != run || joined.Created {
				t.Fatalf("it made or joined run %s, want to join %s", joined.ID, run)
			}
			if test.lost {
				check(t, must(s.js.Stream(t.Context(), s.topology.Stream))(t).Purge(t.Context()))
			}
			did := make(chan string, 1)
			s.start(handling(func(_ context.Context, job *Job[keyed]) error {
				did <- string(job.Input)
				return nil
			}), Config{})
			s.settled(1)
			if got := <-did; got != test.want {
				t.Errorf("the run did %s, want %s", got, test.want)
			}
		})
	}
}

// withoutInput publishes a message and claims it as a worker that dies at once; the sweeper has queued the run again.
func (s *stack) withoutInput(input string) uuid.UUID {
	s.t.Helper()
	ctx := s.t.Context()
	run := s.publish(input)
	stream := must(s.js.Stream(ctx, s.topology.Stream))(s.t)
	stored := must(stream.GetLastMsgForSubject(ctx, events.Subjects{}.Subject(dedupe.Tenant(s.tenant), testType)))(s.t)
	identity, err := s.catalog.Jobs[testType].Rule().Identify(dedupe.Tenant(s.tenant), testType, []byte(input), dedupe.Occurrence{})
	check(s.t, err)
	must(s.ledger.Claim(ctx, oprun.Claimer{Worker: uuid.New(), Stream: s.topology.Stream, AckWait: time.Second}, []oprun.Delivery{{
		RunID: run, Identity: identity, Token: uuid.New(), Lease: time.Minute, MaxAttempts: 3, Seq: stored.Sequence, StoredAt: stored.Time,
	}}))(s.t)
	s.exec("update oprun.operation_runs set lease_expires_at = now() - interval '1 s', due_at = now()")
	if swept := must(s.ledger.Sweep(ctx, 10, 0))(s.t); swept.Requeued != 1 {
		s.t.Fatalf("the sweep did %+v, want one run queued again", swept)
	}
	return run
}
