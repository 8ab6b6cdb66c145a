package oprun

import (
	"testing"

	"github.com/google/uuid"
)

// Whoever publishes a run from its row can tell in which trace it was asked for, however it came there.
func TestTraceIsKeptWithWhatIsPublishedFromTheRow(t *testing.T) {
	t.Parallel()
	trace := Trace{Parent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", State: `vendor=",1\",other=2`}
	traced := func(d Delivery) Delivery {
		d.Trace, d.Input = trace, []byte(`{"m": 1}`)
		return d
	}
	want := func(s *scene, id uuid.UUID) {
		s.t.Helper()
		due := s.due()
		if len(due) != 1 || due[0].ID != id {
			s.t.Fatalf("want run %s alone to be due, not %v", id, due)
		}
		same(s.t, "trace", trace, due[0].Trace)
	}
	scenes(t, map[string]func(s *scene){
		"when_it_was_asked_for_there": func(s *scene) {
			r := s.request("a")
			r.Context = trace.Context()
			run, _, err := s.Ensure(s.t.Context(), r)
			must(s.t, err)
			want(s, run.ID)
		},
		"when_it_is_tried_again": func(s *scene) {
			h := s.take(traced(s.delivery("a")))
			parked := Requeue{Hold: h, Input: []byte(`{}`), Trace: trace, Ended: AttemptFailed}
			same(s.t, "stands", Pending, s.requeue(parked))
			same(s.t, "stands, when asked again", Pending, s.requeue(parked))
			want(s, h.RunID)
		},
		"when_its_payload_is_read_back": func(s *scene) {
			h := s.take(s.delivery("a"))
			same(s.t, "stands", Pending, s.requeue(Requeue{Hold: h}))
			kept, err := s.KeepInput(s.t.Context(), h.RunID, []byte(`{}`), trace)
			must(s.t, err)
			same(s.t, "kept", true, kept)
			want(s, h.RunID)
		},
		"when_it_waited_behind_another": func(s *scene) {
			owner := s.takeFollowed(s.following("a"))
			second := traced(s.following("a"))
			same(s.t, "second message", []string{"follow_up"}, verdicts(s.claim(second)))
			s.finish(owner)
			want(s, second.RunID)
		},
		"when_it_was_parked": func(s *scene) {
			_, err := s.Suspend(s.t.Context(), s.tenant.ExternalID)
			must(s.t, err)
			d := traced(s.delivery("a"))
			same(s.t, "claim", []string{"suspended"}, verdicts(s.claim(d)))
			_, _, err = s.Resume(s.t.Context(), s.tenant.ExternalID)
			must(s.t, err)
			want(s, d.RunID)
		},
		"when_it_was_parked_after_its_attempt_was_given_up": func(s *scene) {
			d := traced(s.delivery("a"))
			h := s.take(d)
			same(s.t, "stands", Pending, s.requeue(Requeue{Hold: h}))
			_, err := s.Suspend(s.t.Context(), s.tenant.ExternalID)
			must(s.t, err)
			same(s.t, "claim", []string{"suspended"}, verdicts(s.claim(again(d))))
			_, _, err = s.Resume(s.t.Context(), s.tenant.ExternalID)
			must(s.t, err)
			want(s, d.RunID)
		},
		"and_a_message_that_runs_at_once_keeps_its_own": func(s *scene) {
			s.finish(s.take(traced(s.delivery("a"))))
			same(s.t, "context", "{}", query[string](s, "select context::text from oprun.operation_runs"))
		},
		"and_beside_what_else_the_row_keeps": func(s *scene) {
			r := s.request("a")
			r.Context = []byte(`{"schedule": "nightly", "traceparent": 7}`)
			run, _, err := s.Ensure(s.t.Context(), r)
			must(s.t, err)
			same(s.t, "trace", Trace{Parent: "7"}, s.due()[0].Trace)
			same(s.t, "stands", Pending, s.requeue(Requeue{Hold: s.take(s.naming(run)), Trace: trace}))
			want(s, run.ID)
			same(s.t, "schedule", "nightly", query[string](s, "select context->>'schedule' from oprun.operation_runs"))
		},
	})
}
