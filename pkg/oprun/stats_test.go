package oprun

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// What the view says, whatever it costs to count it there.
const (
	naiveActive = `select type, count(*) filter (where status = 'queued'), count(*) filter (where status = 'running'),
		coalesce(min(created_at) filter (where status = 'queued' and due_at <> 'infinity'), '0001-01-01 00:00:00+00'),
		coalesce(min(created_at) filter (where status = 'running' and due_at <> 'infinity'), '0001-01-01 00:00:00+00')
		from oprun.operation_runs_view where status <> 'completed' group by type order by type`
	naiveProblems = `select type, problem, count(*) from oprun.operation_runs_view where problem <> 'none' group by type, problem`
	naiveDue      = `select count(*) from oprun.operation_runs_view where status = 'queued' and not follow_up and due_at <= now()`
)

func TestStats(t *testing.T) {
	t.Parallel()
	scenes(t, map[string]func(s *scene){
		"are_what_the_view_says": func(s *scene) {
			s.everyKind("20000")
			got := s.stats()
			same(s.t, "active runs", rowsOf[ActiveStats](s, naiveActive), got.Active)
			same(s.t, "problems", byProblem(rowsOf[ProblemStats](s, naiveProblems)), byProblem(got.Problems))
			if due := query[int](s, naiveDue); due == 0 || got.RelayDue != due {
				s.t.Errorf("%d runs are due, want %d", got.RelayDue, due)
			}
			if stale := slices.ContainsFunc(got.Problems, func(p ProblemStats) bool { return p.Problem == ActiveStaleAttention }); !stale {
				s.t.Error("no run of this ledger is stale")
			}
		},
		"find_the_stale_runs_among_very_many_old_ones": func(s *scene) {
			s.everyKind("1000")
			s.exec(fmt.Sprintf(`insert into oprun.operation_runs (id, workspace_id, tenant_id, type, run_identity_hash, status, max_attempts, due_at, created_at, run_at)
				select gen_random_uuid(), t.workspace_id, t.id, 'kind.of_0', sha256(n::text::bytea), 'queued', 1, now(), now() - interval '1 day',
					now() - case when n %% 5 = 0 then interval '1 day' else interval '1 s' end
				from generate_series(1, %d) n cross join (select id, workspace_id from oprun.tenants limit 1) t`, MaxStaleStats+5))
			got := byProblem(s.stats().Problems)
			same(s.t, "problems", byProblem(rowsOf[ProblemStats](s, naiveProblems)), got)
			if n := got["kind.of_0 active_stale_attention"]; n < MaxStaleStats/5 {
				s.t.Errorf("%d runs are stale, want at least %d", n, MaxStaleStats/5)
			}
			same(s.t, "problems, read again", got, byProblem(s.stats().Problems))
			s.exec("update oprun.operation_runs set run_at = created_at where completed_at is null")
			if n := byProblem(s.stats().Problems)["kind.of_0 active_stale_attention"]; n == 0 || n > MaxStaleStats {
				s.t.Errorf("%d runs are counted as stale, want some and at most %d", n, MaxStaleStats)
			}
			s.exec("update oprun.operation_runs set created_at = now(), run_at = now(), updated_at = now() where completed_at is null and type = 'kind.of_0'")
			for range 2 { // the first still expects many old ones
				same(s.t, "problems", byProblem(rowsOf[ProblemStats](s, naiveProblems)), byProblem(s.stats().Problems))
			}
		},
		"of_an_empty_ledger_are_none": func(s *scene) { same(s.t, "figures", Stats{}, s.stats()) },
		"leave_parked_runs_out_of_the_oldest": func(s *scene) {
			parked, waits := s.ensure("parked").ID, s.ensure("waits")
			s.exec("update oprun.operation_runs set due_at = 'infinity', created_at = created_at - interval '1 h' where id = $1", parked)
			want := []ActiveStats{{Type: jobType, Queued: 2, OldestQueued: waits.CreatedAt}}
			same(s.t, "active runs", want, s.stats().Active)
			s.exec("delete from oprun.operation_runs where id = $1", waits.ID)
			same(s.t, "active runs", []ActiveStats{{Type: jobType, Queued: 1}}, s.stats().Active)
		},
		"find_the_stale_run_among_others": func(s *scene) {
			s.everyKind("1000")
			s.exec("update oprun.operation_runs set created_at = now(), run_at = now(), updated_at = now(), type = 'kind.of_0' where completed_at is null")
			must(s.t, s.DeclareTypes(s.t.Context(), []JobType{{Type: "kind.of_1", StaleQueued: time.Minute, StaleRunning: time.Minute}}))
			if n := byProblem(s.stats().Problems)["kind.of_0 active_stale_attention"]; n != 0 {
				s.t.Errorf("%d runs are stale, want none", n)
			}
			s.exec(`update oprun.operation_runs set created_at = now() - interval '61 minutes', run_at = now() - interval '61 minutes'
				where id = (select id from oprun.operation_runs where status = 'queued' and due_at < 'infinity' limit 1)`)
			if n := byProblem(s.stats().Problems)["kind.of_0 active_stale_attention"]; n != 1 {
				s.t.Errorf("%d runs are stale, want one", n)
			}
		},
		"give_up_by_themselves_and_leave_no_setting_behind": func(s *scene) {
			var nothing string
			if err := s.readStats(s.t.Context(), "select pg_sleep(60)::text", nil, []any{&nothing}, func() {}); !hasCode(err, queryCanceled) {
				s.t.Errorf("a statement that takes a minute ended with %v", err)
			}
			s.stats()
			var limit, join string
			must(s.t, s.db.QueryRow(s.t.Context(), "select current_setting('statement_timeout'), current_setting('enable_hashjoin')").Scan(&limit, &join))
			if limit != "0" || join != "off" {
				s.t.Errorf("lanes have statement_timeout %s and enable_hashjoin %s", limit, join)
			}
		},
		"of_runs_that_ended_unwell_are_those_of_the_newest": func(s *scene) {
			s.everyKind("1000")
			s.exec(`update oprun.operation_runs set type = 'kind.newest', outcome = 'failed', context = '{}'
				where id in (select id from oprun.operation_runs where completed_at is not null order by id desc limit 20)`)
			rows, err := s.db.Query(s.t.Context(), statsUnwellSQL, []string{"failed"}, 20)
			must(s.t, err)
			got, err := pgx.CollectRows(rows, pgx.RowToStructByPos[struct {
				Type string
				Runs int
			}])
			must(s.t, err)
			if len(got) != 1 || got[0].Type != "kind.newest" || got[0].Runs != 20 {
				s.t.Errorf("the newest 20 that failed are %v", got)
			}
		},
	})
}

func rowsOf[T any](s *scene, sql string) []T {
	s.t.Helper()
	rows, err := s.pool.Query(s.t.Context(), sql)
	must(s.t, err)
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[T])
	must(s.t, err)
	return all
}

// stats reads the figures; the active runs are in the order of their types.
func (s *scene) stats() Stats {
	s.t.Helper()
	got, err := s.Stats(s.t.Context())
	must(s.t, err)
	slices.SortFunc(got.Active, func(a, b ActiveStats) int { return cmp.Compare(a.Type, b.Type) })
	return got
}

func byProblem(problems []ProblemStats) map[string]int {
	runs := make(map[string]int)
	for _, p := range problems {
		runs[p.Type+" "+string(p.Problem)] += p.Runs
	}
	return runs
}

// Figures read the active runs and a bounded number of others, and no table: neither of a ledger that nobody has analysed
// nor of one that somebody has.
func TestStatsScanNothing(t *testing.T) {
	t.Parallel()
	grow, err := os.ReadFile("testdata/fifty_thousand_runs.sql")
	must(t, err)
	scenes(t, map[string]func(s *scene){
		"of_a_ledger_that_grew_and_was_never_analysed": func(s *scene) {
			s.exec(neverAnalyse)
			s.exec(string(grow))
			s.checkStatsPlans()
		},
		"of_a_ledger_that_was_analysed": func(s *scene) {
			s.exec(neverAnalyse)
			s.exec(string(grow))
			s.exec("analyze")
			s.checkStatsPlans()
		},
	})
}

func (s *scene) checkStatsPlans() {
	s.t.Helper()
	must(s.t, pgx.BeginFunc(s.t.Context(), s.db, func(tx pgx.Tx) error {
		if _, err := tx.Exec(s.t.Context(), statsSettingsSQL, "2000"); err != nil {
			return err
		}
		for name, want := range map[string]plan{
			"stats_active": {indexes: []string{"runs_due", "runs_due"}}, // which holds the active runs and no others
			"stats_due":    {indexes: []string{"runs_due"}},
			"stats_stale":  {indexes: []string{"operation_runs_pkey"}}, // and job_types
			"stats_unwell": {indexes: []string{"runs_unwell"}},

			"stats_stale_many": {indexes: []string{"runs_due"}},
		} {
			got, err := explain(s, tx, name)
			if err != nil {
				return err
			}
			same(s.t, name+" reads", want.words(), got.words())
		}
		return nil
	}))
}

func (p plan) words() string { return fmt.Sprintf("all of %v, parts of %v", p.scanned, p.indexes) }
