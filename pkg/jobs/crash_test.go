package jobs

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"oprun.example/internal/devstack"
	"oprun.example/pkg/oprun"
)

// newPortStack is a stack that other processes can reach, with the times that they have.
func newPortStack(t testing.TB, configure func(*server.Options), options ...nats.Option) *stack {
	t.Helper()
	broker := must(devstack.StartNATS(devstack.NATSConfig{Port: -1, Configure: configure}))(t)
	t.Cleanup(func() { check(t, broker.Close()) })
	s := stackOn(t, broker, devstack.Database(t), options...)
	s.hurry()
	return s
}

// A worker process is killed (kill -9) at each of the points where a job can be lost or doubled. Whoever takes over
// ends the run with exactly one effect (I2, I4).
func TestKilledWorker(t *testing.T) {
	t.Parallel()

	t.Run("before its claim leaves the message to the next", func(t *testing.T) {
		t.Parallel()
		s := newPortStack(t, nil)
		gate := newProxy(t, s.database)
		c := s.process("write", "DATABASE_URL="+gate.url)
		s.eventually("the worker to pull", func() bool { return s.consumer().NumWaiting > 0 })
		gate.freeze() // its claim never arrives
		run := s.publish(`{"key":"a"}`)
		s.eventually("the message to be delivered", func() bool { return s.consumer().NumAckPending == 1 })
		c.kill()
		if n := s.count("select count(*) from oprun.operation_runs"); n != 0 {
			t.Fatalf("%d runs were claimed, want none before the kill", n)
		}
		s.takeOver(run)
		wantAttempts(t, s.attempts(run))
	})

	t.Run("after its claim, in the handler, loses only the attempt", func(t *testing.T) {
		t.Parallel()
		s := newPortStack(t, nil)
		c := s.process("halt in the handler")
		run := s.publish(`{"key":"a"}`)
		c.is("in the handler")
		c.kill()
		s.takeOver(run)
		wantAttempts(t, s.attempts(run), oprun.AttemptAbandoned, oprun.AttemptSucceeded)
	})

	t.Run("before the commit of its effects takes them with it", func(t *testing.T) {
		t.Parallel()
		s := newPortStack(t, nil)
		c := s.process("halt in the transaction")
		run := s.publish(`{"key":"a"}`)
		c.is("in the transaction")
		c.kill()
		s.takeOver(run)
		wantAttempts(t, s.attempts(run), oprun.AttemptAbandoned, oprun.AttemptSucceeded)
	})

	t.Run("after the commit, before the acknowledgement, has done all there is to do", func(t *testing.T) {
		t.Parallel()
		s := newPortStack(t, twoUsers, nats.UserInfo("all", "secret"))
		c := s.process("write", "NATS_URL=nats://mute:secret@"+s.nats.URL()[len("nats://"):])
		run := s.publish(`{"key":"a"}`)
		s.settled(1)
		c.kill()
		if pending := s.consumer().NumAckPending; pending != 1 {
			t.Fatalf("%d messages are not acknowledged, want the one", pending)
		}
		w := s.takeOver(run)
		wantAttempts(t, s.attempts(run))
		if n := w.deliveries(t, "completed"); n < 1 {
			t.Error("the redelivery was not answered with completed")
		}
	})
}

// takeOver starts a second worker, which must end the run with one effect and acknowledge its message.
func (s *stack) takeOver(run uuid.UUID) *worker {
	s.t.Helper()
	w := s.start(writing(), Config{})
	s.settled(1)
	s.acknowledged()
	s.wantOneEffectEach(run)
	return w
}

// twoUsers gives a server a user who may do all and one whose acknowledgements are dropped.
func twoUsers(options *server.Options) {
	options.Users = []*server.User{
		{Username: "all", Password: "secret"},
		{Username: "mute", Password: "secret", Permissions: &server.Permissions{
			Publish: &server.SubjectPermission{Allow: []string{">"}, Deny: []string{"$JS.ACK.>"}},
		}},
	}
}

func wantAttempts(t testing.TB, got []oprun.AttemptResult, want ...oprun.AttemptResult) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("recorded attempts (-want +got):\n%s", diff)
	}
}
