//go:build failpoint

package crash

import (
	"time"

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

// retentionStories have the consumer deliver its whole stream again, to workers of which one breaks with the messages in
// its hands, while the ledger forgets their runs. Nothing is run again: what is older than the ledger's memory is
// rejected, and becomes a dead letter.
func retentionStories() map[string]story {
	found := map[string]story{}
	for _, action := range []string{kills, stops, fails, delays} {
		found["retention "+action] = func(s *scene) { s.forgetWhile(action) }
	}
	return found
}

func (s *scene) forgetWhile(action string) {
	s.begin()
	for _, key := range []string{"a", "b", "c"} {
		s.publish(args{Key: key})
	}
	s.worker("")
	s.end()
	s.exec("truncate effects")
	s.rewind()
	victim := s.worker(fault(failpoint.ClaimBefore, action))
	victim.strikes()
	s.forget(len(s.accepted))
	s.accepted, s.asked = nil, nil
	s.worker("")
	if action == stops {
		s.outlasts(victim)
	}
	s.end()
	if n := s.count("select count(*) from effects"); n != 0 {
		s.t.Errorf("%d effects of jobs that were forgotten, want none", n)
	}
	// Those of which the victim asked in another batch have been answered before; an error is over at once for all.
	if n := s.count("select count(*) from oprun.dead_letters where reason = 'older_than_retention'"); n == 0 && action != fails {
		s.t.Error("no message was rejected as older than retention")
	}
}

// forget deletes all runs, which have ended, as retention does: a minute after it has published that it would.
func (s *scene) forget(runs int) {
	s.t.Helper()
	s.exec("update oprun.retention_horizon set advanced_at = advanced_at - interval '1 minute'")
	if moved := must(s.ledger.AdvanceHorizon(s.t.Context(), time.Millisecond))(s.t); !moved {
		s.t.Fatal("the horizon did not move")
	}
	s.exec("update oprun.retention_horizon set advanced_at = advanced_at - interval '1 minute'")
	expiry := must(s.ledger.DeleteExpired(s.t.Context(), 0, false))(s.t)
	if expiry.Runs.Deleted != runs {
		s.t.Errorf("%d runs were deleted, want %d", expiry.Runs.Deleted, runs)
	}
}
