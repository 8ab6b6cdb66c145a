package oprun

import (
	"testing"

	"oprun.example/pkg/dedupe"
)

// played plays a run of the ledger again in the shadow, with this end.
func (s *scene) played(shadow *Shadow, d Delivery, result func(Hold) Result, change func(*ShadowNote)) {
	s.t.Helper()
	must(s.t, shadow.Finish(s.t.Context(), result(s.takeIn(shadow, again(d)))))
	note := ShadowNote{
		Place: Place{d.RunID, "JOBS", d.Seq, d.StoredAt}, Scope: d.Identity.Scope, Type: d.Identity.Type, Verdict: dedupe.Execute,
	}
	if change != nil {
		change(&note)
	}
	must(s.t, shadow.Note(s.t.Context(), []ShadowNote{note}))
}

// diff is the comparison, with the total of the one type.
func (s *scene) diff(shadow *Shadow) (ShadowReport, ShadowTotal) {
	s.t.Helper()
	report, err := shadow.Diff(s.t.Context(), 10)
	must(s.t, err)
	if len(report.Totals) != 1 || report.Totals[0].Different != report.Different {
		s.t.Fatalf("%+v", report)
	}
	return report, report.Totals[0]
}

func TestShadowDiff(t *testing.T) {
	t.Parallel()
	leaves := func(want LeftOut, story func(s *scene, d Delivery)) func(s *scene) {
		return func(s *scene) {
			shadow, d := s.newShadow("one"), s.delivery("a")
			story(s, d)
			s.played(shadow, d, succeeded, nil)
			report, total := s.diff(shadow)
			same(s.t, "left out", map[LeftOut]int{want: 1}, total.LeftOut)
			if report.Different != 0 || total.Outcomes != 0 {
				s.t.Errorf("%+v", report)
			}
		}
	}
	scenes(t, map[string]func(s *scene){
		"leaves_out_what_the_ledger_does_not_have": leaves(NotInLedger, func(*scene, Delivery) {}),
		"leaves_out_what_still_runs":               leaves(StillActive, func(s *scene, d Delivery) { s.take(d) }),
		"leaves_out_what_people_have_cancelled": leaves(EndedByPeople, func(s *scene, d Delivery) {
			h := s.take(d)
			s.exec("update oprun.operation_runs set cancel_requested_at = now()")
			_, err := s.Finish(s.t.Context(), []Result{{Hold: h, Outcome: Cancelled, Ended: AttemptCancelled, Cause: ByOperator}})
			must(s.t, err)
		}),
		"leaves_out_what_crashed": leaves(EndedByLedger, func(s *scene, d Delivery) {
			h := s.take(d)
			_, err := s.Finish(s.t.Context(), []Result{{Hold: h, Outcome: Failed, Ended: AttemptFailed, Failures: []Failure{{Code: "run.crash_loop"}}}})
			must(s.t, err)
		}),
		"leaves_out_what_housekeeping_ended": leaves(EndedByLedger, func(s *scene, d Delivery) {
			s.finish(s.take(d))
			s.exec(`update oprun.operation_runs set context = '{"reconciliation": {}}'`)
		}),
		"leaves_out_what_the_shadow_does_not_run": func(s *scene) {
			shadow, d := s.newShadow("one"), s.delivery("a")
			s.finish(s.take(d))
			s.played(shadow, d, succeeded, func(n *ShadowNote) { n.LeftOut = ShadowRefused })
			_, total := s.diff(shadow)
			same(s.t, "total", ShadowTotal{Type: jobType, Verdicts: 1, LeftOut: map[LeftOut]int{ShadowRefused: 1}}, total)
		},
		"tells_outcomes_counts_and_codes": func(s *scene) {
			shadow, d := s.newShadow("one"), s.delivery("a")
			s.finish(s.take(d))
			s.played(shadow, d, func(h Hold) Result {
				return Result{
					Hold: h, Outcome: Failed, Ended: AttemptFailed, Error: "out of stock", Counts: map[string]int64{"created": 2},
					Failures: []Failure{{Code: "shop.empty", Count: 3}, {Code: "shop.empty", Message: "again"}},
				}
			}, nil)
			report, total := s.diff(shadow)
			same(s.t, "total", ShadowTotal{Type: jobType, Verdicts: 1, Outcomes: 1, Different: 1}, total)
			same(s.t, "what", []string{"outcome", "counts", "failures"}, report.Differences[0].What)
			same(s.t, "the shadow's end", ShadowEnd{
				Verdict: "execute", Outcome: Failed, Counts: map[string]int64{"created": 2}, Failures: map[string]int64{"shop.empty": 4}, Error: "out of stock",
			}, report.Differences[0].Shadow)
			same(s.t, "the ledger's end", ShadowEnd{Verdict: "execute", Outcome: Succeeded}, report.Differences[0].Ledger)
		},
		"counts_more_than_it_lists": func(s *scene) {
			shadow := s.newShadow("one")
			for i := range 11 {
				d := s.delivery(string(rune('a' + i)))
				s.finish(s.take(d))
				s.played(shadow, d, func(h Hold) Result { return Result{Hold: h, Outcome: Blocked, Ended: AttemptFailed} }, nil)
			}
			report, _ := s.diff(shadow)
			same(s.t, "counted and listed", []int{11, 10}, []int{report.Different, len(report.Differences)})
		},
		"of_a_request_of_another_scope_finds_nothing": func(s *scene) {
			shadow, d := s.newShadow("one"), s.delivery("a")
			s.finish(s.take(d))
			s.played(shadow, d, succeeded, func(n *ShadowNote) { n.Scope = dedupe.Workspace(s.workspace.ID) })
			_, total := s.diff(shadow)
			same(s.t, "left out", map[LeftOut]int{NotInLedger: 1}, total.LeftOut)
		},
	})
}
