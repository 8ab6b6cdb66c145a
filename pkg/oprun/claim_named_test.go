package oprun

import (
	"testing"

	"oprun.example/pkg/dedupe"
)

func TestClaimOfANamedRun(t *testing.T) {
	t.Parallel()
	scenes(t, map[string]func(s *scene){
		"the_row_decides_what_is_run": func(s *scene) {
			run := s.ensure("a")
			answer := s.claim(s.naming(run))[0]
			same(s.t, "answer", Answer{
				Verdict: dedupe.Execute, RunID: run.ID, Attempt: 1, MaxAttempts: DefaultMaxAttempts, Input: []byte(`{"asked": "a"}`),
			}, answer)
			same(s.t, "identity", run.IdentityHash, s.run(run.ID).IdentityHash)
			same(s.t, "a new request for its identity", dedupe.Duplicate, s.claim(s.delivery("a"))[0].Verdict)
			same(s.t, "its second copy", dedupe.Busy, s.claim(s.naming(run))[0].Verdict)
		},
		"a_run_without_input_waits_until_the_relay_has_read_it_back": func(s *scene) {
			d := s.delivery("a")
			s.take(d)
			s.endLease(d.RunID)
			named := again(d)
			named.Named = true
			same(s.t, "answer", Answer{
				Verdict: dedupe.Busy, RunID: d.RunID, Attempt: 1, MaxAttempts: 3, RetryIn: contendedRetry,
			}, s.claim(named)[0])
			s.keepInput(d.RunID, []byte(`{"n": 1.0, "s": "\u0000"}`))
			answer := s.claim(named)[0]
			same(s.t, "verdict", dedupe.Execute, answer.Verdict)
			same(s.t, "input", `{"n": 1.0, "s": "\u0000"}`, string(answer.Input))
		},
		"a_message_that_is_its_own_origin_keeps_its_body": func(s *scene) {
			d := s.delivery("a")
			s.take(d)
			s.endLease(d.RunID)
			answer := s.claim(again(d))[0]
			same(s.t, "verdict", dedupe.Execute, answer.Verdict)
			same(s.t, "input", "", string(answer.Input))
		},
		"another_message_of_the_same_request_does_not_bring_its_body": func(s *scene) {
			d := s.delivery("a")
			s.take(d)
			s.endLease(d.RunID)
			other := again(d)
			other.Seq++
			same(s.t, "while the row has no input", dedupe.Busy, s.claim(other)[0].Verdict)
			s.keepInput(d.RunID, []byte(`{"first": true}`))
			answer := s.claim(other)[0]
			same(s.t, "afterwards", `execute {"first": true}`, answer.Verdict.String()+" "+string(answer.Input))
		},
		"a_message_of_a_request_that_was_made_in_the_ledger_gets_the_input_of_the_row": func(s *scene) {
			d, r := s.delivery("a"), s.request("a")
			r.ID = d.RunID
			_, created, err := s.EnsureRunWithIdentity(s.t.Context(), r)
			must(s.t, err)
			same(s.t, "created", true, created)
			answer := s.claim(d)[0]
			same(s.t, "verdict and input", `execute {"asked": "a"}`, answer.Verdict.String()+" "+string(answer.Input))
		},
		"named_and_new_deliveries_share_a_batch": func(s *scene) {
			first, second := s.naming(s.ensure("a")), s.naming(s.ensure("b"))
			answers := s.claim(s.delivery("a"), first, s.delivery("c"), second)
			same(s.t, "answers", []string{"duplicate", "execute", "execute", "execute"}, verdicts(answers))
			same(s.t, "the run that the duplicate joined", first.RunID, answers[0].RunID)
		},
	})
}
