package jobs

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/google/uuid"

	"oprun.example/pkg/events"
)

func TestDuplicates(t *testing.T) {
	t.Parallel()

	t.Run("of one identity run once among two workers, also when they are delivered again", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		const copies = 20
		gate := make(chan struct{}) // closed when all verdicts are in
		handle := func(ctx context.Context, job *Job[keyed]) error {
			<-gate
			return writeEffect(ctx, job)
		}
		first, second := s.start(handling(handle), Config{}), s.start(handling(handle), Config{})
		runs := s.publishAll(repeat(copies, func(int) string { return `{"key":"the one"}` }))
		s.eventually("the duplicates to be recorded", func() bool { return s.recordedDuplicates() == copies-1 })
		close(gate)
		s.settled(1)
		owner := s.onlyRun()
		s.wantOneEffectEach(owner)
		if !slices.Contains(runs, owner) {
			t.Errorf("run %s is that of no published request", owner)
		}

		s.deliverAllAgain()
		both := func(verdict string) int { return first.deliveries(t, verdict) + second.deliveries(t, verdict) }
		s.eventually("the redeliveries to be judged", func() bool {
			return both("completed") == 1 && both("duplicate") == 2*(copies-1)
		})
		s.acknowledged()
		s.settled(1)
		s.wantOneEffectEach(owner)
		if n := both("execute"); n != 1 {
			t.Errorf("%d deliveries were executed, want 1", n)
		}
		if n := s.recordedDuplicates(); n != copies-1 {
			t.Errorf("%d deliveries are recorded, want %d", n, copies-1)
		}
		s.wantCountersEqualRows(first, second)
	})

	t.Run("are 90 % of a batch and leave the others alone", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		const messages, identities = 1000, 100
		s.publishAll(repeat(messages, func(i int) string { return fmt.Sprintf(`{"key":"%d"}`, i%identities) }))
		gate := make(chan struct{}) // closed when all verdicts are in
		w := s.start(handling(func(ctx context.Context, job *Job[keyed]) error {
			<-gate
			return writeEffect(ctx, job)
		}), Config{})
		s.eventually("the duplicates to be recorded", func() bool { return s.recordedDuplicates() == messages-identities })
		close(gate)
		s.settled(identities)
		s.acknowledged()
		if n := s.count("select count(distinct run_id) from effects"); n != identities || n != s.count("select count(*) from effects") {
			t.Errorf("%d runs have effects, want %d with one each", n, identities)
		}
		if n := s.count(`select count(*) from (select run_id from oprun.operation_run_deliveries where verdict = 'duplicate'
			group by run_id having count(*) = $1) joined`, messages/identities-1); n != identities {
			t.Errorf("%d runs were joined by %d deliveries, want all %d", n, messages/identities-1, identities)
		}
		s.wantCountersEqualRows(w)
	})

	t.Run("of a request, sent again under another Nats-Msg-Id, are its own run", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		w := s.start(writing(), Config{})
		asked := func(r *events.Request) { r.RequestID = "order-7" }
		run := s.publish(`{"key":"a"}`, asked)
		s.settled(1)
		for range 3 {
			s.publish(`{"key":"a"}`, asked)
		}
		s.eventually("the copies to be judged", func() bool { return w.deliveries(t, "completed") == 3 })
		s.wantOneEffectEach(run)
		again := s.publish(`{"key":"a"}`) // a new request of an identity that is free
		s.settled(2)
		s.wantOneEffectEach(run, again)
	})
}

// handling returns a mux with this handler for the test type.
func handling(handle func(context.Context, *Job[keyed]) error) *Mux {
	mux := &Mux{}
	Handle(mux, testType, handle)
	return mux
}

func repeat(n int, item func(i int) string) []string {
	list := []string{}
	for i := range n {
		list = append(list, item(i))
	}
	return list
}

func (s *stack) recordedDuplicates() int {
	s.t.Helper()
	return s.count("select count(*) from oprun.operation_run_deliveries where verdict = 'duplicate'")
}

func (s *stack) onlyRun() (id uuid.UUID) {
	s.t.Helper()
	check(s.t, s.pool.QueryRow(s.t.Context(), "select id from oprun.operation_runs").Scan(&id))
	return id
}

// deliverAllAgain makes the consumer anew, as a broker that has forgotten every acknowledgement.
func (s *stack) deliverAllAgain() {
	s.t.Helper()
	check(s.t, s.js.DeleteConsumer(s.t.Context(), s.topology.Stream, s.topology.Consumer))
	must(s.topology.Apply(s.t.Context(), s.js, false))(s.t)
}
