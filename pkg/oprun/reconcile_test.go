package oprun

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/uuid"

	"oprun.example/pkg/dedupe"
)

// candidates are the ids of what this filter selects, in two pages.
func (s *scene) candidates(f CandidateFilter) (ids []uuid.UUID) {
	s.t.Helper()
	f.Limit = 2
	for {
		page, err := s.Candidates(s.t.Context(), f)
		must(s.t, err)
		for _, c := range page {
			ids = append(ids, c.ID)
		}
		if len(page) < f.Limit {
			return ids
		}
		f.After = page[len(page)-1]
	}
}

// calledStale lets every active run of the test's type be stale at once.
func (s *scene) calledStale() {
	s.t.Helper()
	must(s.t, s.DeclareTypes(s.t.Context(), []JobType{{Type: jobType, Label: jobType, StaleQueued: 0, StaleRunning: 0}}))
	s.exec(`update oprun.operation_runs set run_at = now() - interval '1 h', created_at = now() - interval '1 h',
		updated_at = now() - interval '1 h'`)
}

func TestCandidates(t *testing.T) {
	t.Parallel()
	known := CandidateFilter{Known: []string{jobType}}
	scenes(t, map[string]func(s *scene){
		"are_the_queued_runs_and_those_whose_lease_has_ended": func(s *scene) {
			queued, late := s.ensure("queued"), s.take(s.delivery("late"))
			s.take(s.delivery("alive"))
			s.finish(s.take(s.delivery("done")))
			more := s.ensure("more")
			s.endLease(late.RunID)
			same(s.t, "candidates", []uuid.UUID{queued.ID, more.ID, late.RunID}, s.candidates(known))
			same(s.t, "of no known type", nil, s.candidates(CandidateFilter{}))
			same(s.t, "of another type", nil, s.candidates(CandidateFilter{Known: known.Known, Types: []string{"test.other"}}))
			same(s.t, "of another tenant", nil, s.candidates(CandidateFilter{Known: known.Known, Tenants: []uuid.UUID{uuid.New()}}))
			same(s.t, "of the tenant", 3, len(s.candidates(CandidateFilter{Known: known.Known, Tenants: []uuid.UUID{s.tenant.ExternalID}})))
		},
		"of_a_type_that_nobody_knows_are_those_that_are_stale": func(s *scene) {
			queued, alive := s.ensure("queued"), s.take(s.delivery("alive"))
			s.calledStale()
			fresh := s.ensure("fresh")
			s.exec("update oprun.operation_runs set run_at = now() + interval '1 h' where id = $1", fresh.ID)
			same(s.t, "candidates", []uuid.UUID{queued.ID}, s.candidates(CandidateFilter{}))
			same(s.t, "the live one is stale, too", LikelyStale, s.run(alive.RunID).Freshness)
		},
		"carry_what_the_domain_needs_to_find_them": func(s *scene) {
			run := s.ensure("a")
			s.calledStale()
			page, err := s.Candidates(s.t.Context(), known)
			must(s.t, err)
			run = s.run(run.ID)
			same(s.t, "candidate", []Candidate{{
				ID: run.ID, WorkspaceID: s.workspace.ID, TenantID: &s.tenant.ExternalID, Type: jobType, Status: "queued",
				DueAt: *run.DueAt, CreatedAt: run.CreatedAt, Stale: true, Input: []byte(`{"asked": "a"}`),
			}}, page)
		},
		"are_neither_follow_ups_nor_parked": func(s *scene) {
			owner := s.take(s.delivery("a"))
			waiting := s.delivery("a")
			waiting.Follows, waiting.Input = true, []byte(`{}`)
			same(s.t, "behind the owner", dedupe.FollowUp, s.claim(waiting)[0].Verdict)
			_, err := s.Suspend(s.t.Context(), s.tenant.ExternalID)
			must(s.t, err)
			parked := s.delivery("b")
			parked.Input = []byte(`{}`)
			same(s.t, "of a suspended tenant", dedupe.Suspended, s.claim(parked)[0].Verdict)
			same(s.t, "candidates", nil, s.candidates(known))
			s.endLease(owner.RunID)
			same(s.t, "the owner, when its lease has ended", []uuid.UUID{owner.RunID}, s.candidates(known))
		},
	})
}

func TestEnd(t *testing.T) {
	t.Parallel()
	// ending pins a run as it stood when the domain was asked.
	ending := func(run Run) Ending {
		return Ending{
			RunID: run.ID, DispatchNo: &run.DispatchNo, Attempt: &run.Attempt, Reason: AdapterOutOfSync, Outcome: Succeeded,
			Note: map[string]any{"by": "housekeeping", "evidence": "seen"},
		}
	}
	scenes(t, map[string]func(s *scene){
		"a_run_as_it_was_seen_ends_and_tells_why": func(s *scene) {
			run := s.ensure("a")
			ended, err := s.End(s.t.Context(), ending(run))
			must(s.t, err)
			same(s.t, "ended", []Ended{{RunID: run.ID, Type: jobType, Outcome: Succeeded}}, ended)
			got := s.run(run.ID)
			same(s.t, "outcome", Succeeded, got.Outcome)
			same(s.t, "failures", nil, got.FailureSummary)
			var told struct{ Reconciliation map[string]string }
			must(s.t, json.Unmarshal(got.Context, &told))
			_, err = time.Parse(time.RFC3339Nano, told.Reconciliation["at"])
			must(s.t, err)
			delete(told.Reconciliation, "at")
			same(s.t, "context", map[string]string{"by": "housekeeping", "evidence": "seen", "reason": "run.adapter_out_of_sync"}, told.Reconciliation)
			again, err := s.End(s.t.Context(), ending(run))
			must(s.t, err)
			same(s.t, "ended twice", nil, again)
			same(s.t, "the row after that", got, s.run(run.ID))
		},
		"a_run_that_began_meanwhile_does_not_end": func(s *scene) {
			run := s.ensure("a")
			h := s.take(s.naming(run))
			s.endLease(h.RunID) // nobody has swept: its dispatch number still is the same
			ended, err := s.End(s.t.Context(), ending(run))
			must(s.t, err)
			same(s.t, "ended", nil, ended)
			ended, err = s.End(s.t.Context(), ending(s.run(run.ID)))
			must(s.t, err)
			same(s.t, "ended, as it is now", 1, len(ended))
			same(s.t, "attempts", []AttemptResult{AttemptAbandoned}, s.attempts(run.ID))
		},
		"a_run_under_a_live_lease_does_not_end": func(s *scene) {
			h := s.take(s.delivery("a"))
			ended, err := s.End(s.t.Context(), ending(s.run(h.RunID)))
			must(s.t, err)
			same(s.t, "ended", nil, ended)
			s.finish(h)
		},
	})
}
