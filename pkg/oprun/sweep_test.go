package oprun

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"oprun.example/pkg/dedupe"
)

// sweep sweeps once, with an AckWait of a minute.
func (s *scene) sweep() Swept {
	s.t.Helper()
	swept, err := s.Sweep(s.t.Context(), 100, time.Minute)
	must(s.t, err)
	same(s.t, "abandoned attempts", swept.Requeued+len(swept.Ended), len(swept.Abandoned))
	swept.Abandoned = nil
	return swept
}

func TestSweep(t *testing.T) {
	t.Parallel()
	scenes(t, map[string]func(s *scene){
		"a_run_whose_attempt_stopped_beating_is_queued_and_due": func(s *scene) {
			h := s.take(s.delivery("a"))
			s.endLease(h.RunID)
			same(s.t, "swept", Swept{Requeued: 1}, s.sweep())
			run := s.run(h.RunID)
			same(s.t, "status", "queued", run.Status)
			same(s.t, "publication", 1, run.DispatchNo)
			same(s.t, "attempts", []AttemptResult{AttemptAbandoned}, s.attempts(h.RunID))
			due, err := s.Due(s.t.Context(), Relay{Limit: 10, Turn: 0, Stream: "JOBS"})
			must(s.t, err)
			same(s.t, "due", []DueRun{{
				ID: h.RunID, Scope: dedupe.Tenant(s.tenant.ExternalID), Type: jobType, DispatchNo: 1,
				OriginStream: "JOBS", OriginSeq: 7, OriginTime: *run.OriginTime, Initiator: "tester",
			}}, due)
			same(s.t, "swept again", Swept{}, s.sweep())
		},
		"a_run_without_attempts_left_ends_as_failed": func(s *scene) {
			d := s.delivery("a")
			d.MaxAttempts = 1
			s.take(d)
			s.endLease(d.RunID)
			same(s.t, "swept", Swept{Ended: []Ended{{RunID: d.RunID, Type: jobType, Outcome: Failed}}}, s.sweep())
			same(s.t, "code", "run.crash_loop", s.run(d.RunID).FailureSummary[0].Code)
		},
		"a_run_that_should_be_cancelled_ends_as_cancelled": func(s *scene) {
			d := s.delivery("a")
			d.MaxAttempts = 1
			s.take(d)
			s.exec("update oprun.operation_runs set cancel_requested_at = now()")
			s.endLease(d.RunID)
			same(s.t, "swept", Swept{Ended: []Ended{{RunID: d.RunID, Type: jobType, Outcome: Cancelled}}}, s.sweep())
			same(s.t, "failures", nil, s.run(d.RunID).FailureSummary)
		},
		"a_live_run_is_looked_at_again_when_its_lease_ends": func(s *scene) {
			message, dispatched := s.take(s.delivery("a")), s.take(s.naming(s.ensure("b")))
			s.exec("update oprun.operation_runs set due_at = now()")
			same(s.t, "swept", Swept{Extended: 2}, s.sweep())
			run := s.run(message.RunID)
			same(s.t, "the redelivery goes first", time.Second, run.DueAt.Sub(*run.LeaseExpiresAt))
			run = s.run(dispatched.RunID)
			same(s.t, "nothing goes first", time.Duration(0), run.DueAt.Sub(*run.LeaseExpiresAt))
			same(s.t, "both are still held", 2, len(s.extend(message, dispatched)))
			same(s.t, "swept again", Swept{}, s.sweep())
		},
		"a_run_that_a_transaction_is_at_is_passed_over": func(s *scene) {
			ending, lost := s.take(s.delivery("a")), s.take(s.delivery("b"))
			tx := s.open()
			s.endLease(ending.RunID)
			s.endLease(lost.RunID)
			must(s.t, s.On(tx).Finish(s.t.Context(), succeeded(ending)))
			same(s.t, "swept", Swept{Requeued: 1}, s.sweep())
			must(s.t, tx.Commit(s.t.Context()))
			same(s.t, "swept", Swept{}, s.sweep())
			same(s.t, "outcome", Succeeded, s.run(ending.RunID).Outcome)
		},
	})
}

func TestSweepersNeverBothTakeARun(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	const runs = 400
	batch := make([]Delivery, runs)
	for i := range batch {
		batch[i] = s.delivery(fmt.Sprint("job ", i))
		batch[i].MaxAttempts = 1 + i%2
	}
	s.claim(batch...)
	s.exec("update oprun.operation_runs set lease_expires_at = now() - interval '1 s', due_at = now()")
	var mu sync.Mutex
	var total Swept
	group, ctx := errgroup.WithContext(context.Background())
	for range 4 {
		group.Go(func() error {
			for {
				swept, err := s.Sweep(ctx, 10, time.Minute)
				mu.Lock()
				total.Requeued += swept.Requeued
				total.Ended = append(total.Ended, swept.Ended...)
				mu.Unlock()
				if err != nil || swept.Requeued+len(swept.Ended) == 0 {
					return err
				}
			}
		})
	}
	must(t, group.Wait())
	slices.SortFunc(total.Ended, func(a, b Ended) int { return cmp.Compare(a.RunID.String(), b.RunID.String()) })
	ended := slices.CompactFunc(total.Ended, func(a, b Ended) bool { return a.RunID == b.RunID })
	same(t, "requeued and ended", []int{runs / 2, runs / 2}, []int{total.Requeued, len(ended)})
	same(t, "attempts", runs, query[int](s, "select count(*) from oprun.operation_run_attempts where result = 'abandoned'"))
	same(t, "published once", runs/2, query[int](s, "select count(*) from oprun.operation_runs where status = 'queued' and dispatch_no = 1"))
}

func TestLose(t *testing.T) {
	t.Parallel()
	lost := func(s *scene) uuid.UUID {
		h := s.take(s.delivery("a"))
		s.endLease(h.RunID)
		same(s.t, "swept", Swept{Requeued: 1}, s.sweep())
		return h.RunID
	}
	scenes(t, map[string]func(s *scene){
		"a_run_whose_message_is_gone_ends_as_failed": func(s *scene) {
			id := lost(s)
			ended, err := s.lose(id, 1)
			must(s.t, err)
			same(s.t, "ended", []Ended{{RunID: id, Type: jobType, Outcome: Failed}}, ended)
			same(s.t, "code", "run.message_lost", s.run(id).FailureSummary[0].Code)
			ended, err = s.lose(id, 1)
			must(s.t, err)
			same(s.t, "ended again", nil, ended)
		},
		"a_run_that_has_moved_on_is_left_alone": func(s *scene) {
			id := lost(s)
			ended, err := s.lose(id, 0)
			must(s.t, err)
			same(s.t, "another publication", nil, ended)
			s.keepInput(id, []byte(`{}`))
			ended, err = s.lose(id, 1)
			must(s.t, err)
			same(s.t, "input came back", nil, ended)
		},
		"an_input_is_kept_once": func(s *scene) {
			id := lost(s)
			s.keepInput(id, []byte(`{"first":  true}`))
			s.keepInput(id, []byte(`{"first": false}`))
			same(s.t, "input", `{"first":  true}`, query[string](s, "select input::text from oprun.operation_runs"))
		},
		"a_caller_that_joined_the_run_delays_no_relay": func(s *scene) {
			id := lost(s)
			tx := s.open()
			_, created, err := s.On(tx).EnsureRunWithIdentity(s.t.Context(), s.request("a"))
			must(s.t, err)
			same(s.t, "created", false, created)
			s.keepInput(id, []byte(`{}`))
			ended, err := s.lose(id, 1)
			must(s.t, err)
			same(s.t, "ended", nil, ended)
			must(s.t, tx.Rollback(s.t.Context()))
			s.keepInput(id, []byte(`{}`))
			same(s.t, "input", "{}", query[string](s, "select input::text from oprun.operation_runs"))
		},
	})
}
