package oprun

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"oprun.example/pkg/dedupe"
)

func TestMemory(t *testing.T) {
	t.Parallel()
	undated := dedupe.ByRequest("order-7", time.Time{}).RunID(dedupe.Tenant(uuid.New()), jobType)
	scenes(t, map[string]func(s *scene){
		"covers_everything_before_anything_was_forgotten": func(s *scene) {
			m := s.memory()
			same(s.t, "covers", true, m.Covers(time.Unix(1, 0), dated(time.Unix(1, 0))))
			same(s.t, "since", true, m.Since.IsZero())
			if off := time.Since(m.Now).Abs(); off > time.Minute {
				s.t.Errorf("the database's clock is %s off", off)
			}
		},
		"covers_no_request_from_before_the_horizon_by_its_time_or_by_its_run": func(s *scene) {
			s.advance()
			m := s.memory()
			now, old := time.Now(), time.Now().Add(-2*kept)
			for name, c := range map[string]struct {
				at   time.Time
				run  uuid.UUID
				want bool
			}{
				"a young one":                                 {now, dated(now), true},
				"a young one whose id is not dated":           {now, undated, true},
				"an old one":                                  {old, dated(old), false},
				"an old one whose id is not dated":            {old, undated, false},
				"an old one in a message that is young":       {now, dated(old), false},
				"a young one in a message that claims an age": {old, dated(now), false},
			} {
				same(s.t, name, c.want, m.Covers(c.at, c.run))
			}
		},
	})
}

func (s *scene) memory() Memory {
	s.t.Helper()
	m, err := s.Memory(s.t.Context())
	must(s.t, err)
	return m
}

func TestKnows(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	_, err := s.Suspend(t.Context(), s.tenant.ExternalID)
	must(t, err)
	for scope, want := range map[dedupe.Scope]bool{
		dedupe.Tenant(s.tenant.ExternalID): true, dedupe.Workspace(s.workspace.ID): true,
		dedupe.Tenant(uuid.New()): false, dedupe.Workspace(s.tenant.ExternalID): false,
	} {
		got, err := s.Knows(t.Context(), scope)
		must(t, err)
		same(t, scope.String(), want, got)
	}
}

// A run that was made of a recorded message says so, however it came into the ledger, beside what else its row keeps.
func TestReplayedFromIsKept(t *testing.T) {
	t.Parallel()
	const from = "JOBS/7/1763856000123456789"
	replayed := func(d Delivery) Delivery {
		d.ReplayedFrom, d.Input, d.Trace = from, []byte(`{}`), Trace{Parent: "00-1-2-01"}
		return d
	}
	want := func(s *scene, id uuid.UUID, context string) {
		s.t.Helper()
		same(s.t, "context", context, query[string](s, "select context::text from oprun.operation_runs where id = $1", id))
	}
	scenes(t, map[string]func(s *scene){
		"by_a_run_that_runs_at_once_and_not_by_its_neighbours": func(s *scene) {
			first, second, third := s.delivery("a"), replayed(s.delivery("b")), s.delivery("c")
			same(s.t, "verdicts", []string{"execute", "execute", "execute"}, verdicts(s.claim(first, second, third)))
			want(s, first.RunID, "{}")
			want(s, second.RunID, `{"replayed_from": "`+from+`"}`)
			want(s, third.RunID, "{}")
		},
		"by_a_run_that_is_created_beside_taken_identities": func(s *scene) {
			s.take(s.delivery("a"))
			second := replayed(s.delivery("b"))
			same(s.t, "verdicts", []string{"duplicate", "execute"}, verdicts(s.claim(s.delivery("a"), second)))
			want(s, second.RunID, `{"replayed_from": "`+from+`"}`)
		},
		"by_one_that_is_tried_again": func(s *scene) {
			d := replayed(s.delivery("a"))
			same(s.t, "stands", Pending, s.requeue(Requeue{Hold: s.take(d), Input: d.Input, Trace: d.Trace}))
			want(s, d.RunID, `{"traceparent": "00-1-2-01", "replayed_from": "`+from+`"}`)
		},
		"by_one_that_waits_behind_another": func(s *scene) {
			s.takeFollowed(s.following("a"))
			second := replayed(s.following("a"))
			same(s.t, "second message", []string{"follow_up"}, verdicts(s.claim(second)))
			want(s, second.RunID, `{"traceparent": "00-1-2-01", "replayed_from": "`+from+`"}`)
		},
		"by_one_that_is_parked": func(s *scene) {
			_, err := s.Suspend(s.t.Context(), s.tenant.ExternalID)
			must(s.t, err)
			d := replayed(s.delivery("a"))
			same(s.t, "claim", []string{"suspended"}, verdicts(s.claim(d)))
			want(s, d.RunID, `{"traceparent": "00-1-2-01", "replayed_from": "`+from+`"}`)
		},
	})
}
