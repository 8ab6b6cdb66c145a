package oprun

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"oprun.example/pkg/dedupe"
)

// kept is the retention of these tests.
const kept = 30 * 24 * time.Hour

// dated is an id as an occurrence of that time has it.
func dated(at time.Time) uuid.UUID {
	return dedupe.ByRequest(uuid.NewString(), at).RunID(dedupe.Tenant(uuid.New()), jobType)
}

// asked is a delivery of a request that was made so long ago.
func (s *scene) asked(name string, ago time.Duration) Delivery {
	d := s.delivery(name)
	d.RunID = dated(time.Now().Add(-ago))
	return d
}

// ended is such a delivery, whose run succeeded then.
func (s *scene) ended(name string, ago time.Duration) Delivery {
	s.t.Helper()
	d := s.asked(name, ago)
	s.finish(s.take(d))
	s.completed(d.RunID, ago)
	return d
}

// completed dates the end of a run.
func (s *scene) completed(id uuid.UUID, ago time.Duration) {
	s.t.Helper()
	if s.exec("update oprun.operation_runs set completed_at = $2 where id = $1", id, time.Now().Add(-ago)) != 1 {
		s.t.Fatalf("there is no run %s", id)
	}
}

// advance publishes the horizon, as a minute ago and longer.
func (s *scene) advance() {
	s.t.Helper()
	moved, err := s.AdvanceHorizon(s.t.Context(), kept)
	must(s.t, err)
	same(s.t, "the horizon moved", true, moved)
	s.aMinuteLater()
}

func (s *scene) aMinuteLater() {
	s.t.Helper()
	s.exec("update oprun.retention_horizon set advanced_at = now() - interval '1 minute'")
}

func (s *scene) expire(limit int, dryRun bool) Expiry {
	s.t.Helper()
	e, err := s.DeleteExpired(s.t.Context(), limit, dryRun)
	must(s.t, err)
	return e
}

// left are the runs that the ledger has.
func (s *scene) left() int { return query[int](s, "select count(*)::int from oprun.operation_runs") }

func runs(candidates, deleted int) Expiry { return Expiry{Runs: Expired{candidates, deleted}} }

func TestRetention(t *testing.T) {
	t.Parallel()
	scenes(t, map[string]func(s *scene){
		"what_is_older_goes_with_its_attempts_and_the_rest_stays": func(s *scene) {
			old := s.ended("old", 2*kept)
			s.exec(`insert into oprun.operation_run_attempts (run_id, attempt, claim_token, result) select id, 1, gen_random_uuid(), 'failed' from oprun.operation_runs`)
			young := s.ended("young", kept/2)
			late := s.ended("asked long ago, ended late", 2*kept)
			s.completed(late.RunID, kept/2)
			active := s.take(s.asked("active", 2*kept))
			same(s.t, "before there is a horizon", Expiry{}, s.expire(0, false))
			s.advance()
			same(s.t, "a dry run", runs(1, 1), s.expire(0, true))
			same(s.t, "runs after the dry run", 4, s.left())
			same(s.t, "expired", runs(1, 1), s.expire(0, false))
			same(s.t, "the old one's attempts", 0, len(s.attempts(old.RunID)))
			same(s.t, "runs left", 3, s.left())
			same(s.t, "expired again", Expiry{}, s.expire(0, false))
			same(s.t, "redelivered", []string{"rejected", "completed", "completed"}, verdicts(s.claim(again(old), again(young), again(late))))
			s.finish(active)
		},
		"nothing_goes_in_the_minute_in_which_its_horizon_was_published": func(s *scene) {
			old := s.ended("old", 2*kept)
			moved, err := s.AdvanceHorizon(s.t.Context(), kept)
			must(s.t, err)
			same(s.t, "the horizon moved", true, moved)
			same(s.t, "expired", Expiry{}, s.expire(0, false))
			moved, err = s.AdvanceHorizon(s.t.Context(), kept)
			must(s.t, err)
			same(s.t, "the horizon moved within a minute", false, moved)
			same(s.t, "verdict", dedupe.Completed, s.claim(again(old))[0].Verdict)
			s.aMinuteLater()
			same(s.t, "expired a minute later", runs(1, 1), s.expire(0, false))
		},
		"the_horizon_never_goes_back": func(s *scene) {
			s.advance()
			before := query[uuid.UUID](s, "select floor from oprun.retention_horizon")
			moved, err := s.AdvanceHorizon(s.t.Context(), 2*kept)
			must(s.t, err)
			same(s.t, "the horizon moved", false, moved)
			same(s.t, "floor", before, query[uuid.UUID](s, "select floor from oprun.retention_horizon"))
			at := time.UnixMilli(int64(dateOf(before)))
			if off := time.Since(at) - kept; off < 0 || off > time.Minute {
				s.t.Errorf("the floor is of %s, %s off", at, off)
			}
		},
		"an_occurrence_below_the_horizon_never_runs_again": func(s *scene) {
			old := s.ended("old", 2*kept)
			s.advance()
			same(s.t, "while its run is there", dedupe.Completed, s.claim(again(old))[0].Verdict)
			s.expire(0, false)
			answer := s.claim(again(old))[0]
			same(s.t, "answer", Answer{Verdict: dedupe.Rejected, Reason: dedupe.OlderThanRetention, RunID: answer.RunID}, answer)
			same(s.t, "a new request for the identity", dedupe.Execute, s.claim(s.delivery("old"))[0].Verdict)
		},
		"claims_that_race_the_deletion_of_their_run_never_run_it": func(s *scene) {
			const runs = 200
			var old []Delivery
			for range runs {
				old = append(old, s.ended(uuid.NewString(), 2*kept))
			}
			s.advance()
			var work errgroup.Group
			for i := range 2 {
				work.Go(func() error {
					for s.left() > 0 && !s.t.Failed() {
						for n, a := range s.claim(old[i*runs/2 : (i+1)*runs/2]...) {
							if a.Verdict != dedupe.Completed && a.Verdict != dedupe.Rejected {
								s.t.Errorf("old request %d is answered with %s", n, a.Verdict)
							}
						}
					}
					return nil
				})
			}
			for s.left() > 0 && !s.t.Failed() {
				s.expire(10, false)
			}
			must(s.t, work.Wait())
			same(s.t, "runs", 0, s.left())
		},
		"an_id_without_a_date_goes_by_the_end_of_its_run": func(s *scene) {
			undated := func(ago time.Duration) Delivery {
				d := s.delivery(uuid.NewString())
				d.RunID = dated(time.Time{})
				s.finish(s.take(d))
				s.completed(d.RunID, ago)
				return d
			}
			old, young := undated(2*kept), undated(kept/2)
			s.advance()
			same(s.t, "expired", runs(1, 1), s.expire(0, false))
			// Nobody can tell how old such a request is: it is safe for as long as the ledger keeps its run.
			same(s.t, "verdicts", []string{"execute", "completed"}, verdicts(s.claim(again(old), again(young))))
		},
		"a_run_that_happens_once_stays_without_what_it_carried": func(s *scene) {
			natural, scheduled := s.asked("natural", 2*kept), s.asked("scheduled", 2*kept)
			for _, d := range []Delivery{natural, scheduled} {
				d.Once = true
				s.finish(s.take(d))
				s.completed(d.RunID, 2*kept)
			}
			s.exec(`update oprun.operation_runs set input = '{"secret": 1}', failure_summary = '[]', context = '{"retry_of": null}'`)
			s.exec(`update oprun.operation_runs set context = '{"schedule": "nightly"}' where id = $1`, scheduled.RunID)
			s.advance()
			same(s.t, "expired", runs(2, 1), s.expire(0, false))
			same(s.t, "stripped", 1, query[int](s, `select count(*)::int from oprun.operation_runs
				where id = $1 and input is null and failure_summary is null and context = '{}' and outcome = 'succeeded'`, natural.RunID))
			same(s.t, "expired again", runs(1, 0), s.expire(0, false))
			once := s.delivery("natural")
			once.Once = true
			same(s.t, "a new request for it", dedupe.Duplicate, s.claim(once)[0].Verdict)
		},
		"a_run_that_cools_its_identity_down_stays": func(s *scene) {
			s.ended("a", 2*kept)
			s.exec("update oprun.operation_runs set cooldown_until = now() + interval '1 h'")
			s.advance()
			same(s.t, "expired", Expiry{}, s.expire(0, false))
		},
		"many_go_page_by_page_and_no_more_than_asked_for": func(s *scene) {
			s.manyExpired(2*expiredPage + 1)
			s.advance()
			same(s.t, "a dry run", runs(2*expiredPage+1, 2*expiredPage+1), s.expire(0, true))
			same(s.t, "expired, at most 7", runs(7, 7), s.expire(7, false))
			same(s.t, "expired, at most one page and 1", runs(expiredPage+1, expiredPage+1), s.expire(expiredPage+1, false))
			same(s.t, "expired", runs(expiredPage-7, expiredPage-7), s.expire(0, false))
			same(s.t, "runs left", 0, s.left())
		},
		"a_locked_run_is_passed_over": func(s *scene) {
			s.ended("a", 2*kept)
			locked := s.ended("b", 2*kept)
			s.advance()
			tx := s.open()
			_, err := tx.Exec(s.t.Context(), "select 1 from oprun.operation_runs where id = $1 for share", locked.RunID)
			must(s.t, err)
			same(s.t, "expired", runs(2, 1), s.expire(0, false))
			must(s.t, tx.Rollback(s.t.Context()))
			same(s.t, "expired later", runs(1, 1), s.expire(0, false))
		},
		"deliveries_and_letters_that_were_requeued_go_too": func(s *scene) {
			for _, ago := range []time.Duration{2 * kept, kept / 2} {
				at := time.Now().Add(-ago)
				s.exec("insert into oprun.operation_run_deliveries (id, run_id, verdict, created_at) values ($1, $1, 'duplicate', $2)", dated(at), at)
				for n, requeued := range []*time.Time{&at, nil} {
					s.exec(`insert into oprun.dead_letters (id, stream, seq, store_time, subject, body, reason, created_at, requeued_at)
						values ($1, 'JOBS', $2, $3, 'jobs.x', '', 'malformed', $3, $4)`, dated(at), n, at, requeued)
				}
			}
			s.advance()
			want := Expiry{Deliveries: Expired{1, 1}, Letters: Expired{1, 1}}
			same(s.t, "a dry run", want, s.expire(0, true))
			same(s.t, "expired", want, s.expire(0, false))
			same(s.t, "expired again", Expiry{}, s.expire(0, false))
			same(s.t, "letters left", 3, query[int](s, "select count(*)::int from oprun.dead_letters"))
		},
		"what_cannot_have_its_lock_is_left_for_the_next_time": func(s *scene) {
			s.manyExpired(expiredPage + 1)
			s.advance()
			tx := s.open()
			_, err := tx.Exec(s.t.Context(), "lock table oprun.operation_runs in share mode")
			must(s.t, err)
			_, err = s.DeleteExpired(s.t.Context(), 0, false)
			if !Unavailable(err) {
				s.t.Errorf("a deletion that cannot have its lock returned %v", err)
			}
			must(s.t, tx.Rollback(s.t.Context()))
			same(s.t, "expired", runs(expiredPage+1, expiredPage+1), s.expire(0, false))
		},
	})
}

// dateOf returns the milliseconds that an id begins with.
func dateOf(id uuid.UUID) (ms uint64) {
	for _, b := range id[:6] {
		ms = ms<<8 | uint64(b)
	}
	return ms
}

// manyExpired makes runs that ended long ago.
func (s *scene) manyExpired(n int) {
	s.t.Helper()
	old := time.Now().Add(-2 * kept)
	ids := make([]uuid.UUID, n)
	for i := range ids {
		ids[i] = dated(old)
	}
	s.exec(`insert into oprun.operation_runs (id, workspace_id, type, run_identity_hash, status, outcome, max_attempts, completed_at)
		select id, $2, $3, sha256(id::text::bytea), 'completed', 'succeeded', 1, $4 from unnest($1::uuid[]) id`, ids, s.workspace.ID, jobType, old)
}
