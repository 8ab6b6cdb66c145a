//go:build failpoint

package crash

import (
	"github.com/google/uuid"

	"oprun.example/internal/devstack"
	"oprun.example/internal/failpoint"
)

// replayStories have the consumer deliver its whole stream again, to workers of which one breaks in the middle of it:
// on the same ledger nothing happens, on an empty one everything once more.
func replayStories() map[string]story {
	found := map[string]story{}
	for _, action := range []string{kills, stops, fails, delays} {
		found["replay "+action] = func(s *scene) {
			s.begin()
			for _, key := range []string{"a", "b", "a", "c"} {
				s.publish(args{Key: key})
			}
			s.worker("")
			s.end()
			runs := s.count("select count(*) from oprun.operation_runs")

			s.rewind()
			s.broken(action)
			if n := s.count("select count(*) from oprun.operation_runs"); n != runs {
				s.t.Errorf("there are %d runs after a replay on the same ledger, want the %d from before", n, runs)
			}

			s.emptyLedger()
			s.rewind()
			s.broken(action)
			if n := s.count("select count(*) from effects"); n < 3 {
				s.t.Errorf("%d effects on an empty ledger, want one for each of the 3 identities at least", n)
			}
		}
	}
	return found
}

func (s *scene) broken(action string) {
	s.t.Helper()
	victim := s.worker(fault(failpoint.ClaimAfter, action))
	victim.strikes()
	s.worker("")
	if action == stops {
		s.outlasts(victim)
	}
	s.end()
}

// rewind makes the consumer anew, which then delivers everything that the stream has.
func (s *scene) rewind() {
	s.t.Helper()
	check(s.t, s.js.DeleteConsumer(s.t.Context(), s.topology.Stream, s.topology.Consumer))
	must(s.topology.Apply(s.t.Context(), s.js, false))(s.t)
}

// emptyLedger gives the scene a ledger that knows the tenant, and no run.
func (s *scene) emptyLedger() {
	s.t.Helper()
	s.open(devstack.Database(s.t))
	s.exec(`with home as (insert into oprun.workspaces (id, name) values ($1, 'home') returning id)
		insert into oprun.tenants (id, workspace_id, external_id, label) select $2, id, $3, 'the same' from home`,
		uuid.New(), uuid.New(), s.tenant)
}
