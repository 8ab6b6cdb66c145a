package oprun

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// hot are the statements whose plans must never scan a table, and the indexes that serve them.
var hot = map[string][]string{
	"claim_new":          {"external_id_unique", "operation_run_deliveries_pkey", "runs_cooldown", "workspaces_pkey"},
	"claim_new tolerant": {"external_id_unique", "operation_run_deliveries_pkey", "runs_cooldown", "workspaces_pkey"},
	"claim_known": {
		"external_id_unique", "operation_run_deliveries_pkey", "operation_runs_pkey", "runs_active_tenant",
		"runs_active_workspace", "runs_cooldown", "runs_once", "workspaces_pkey",
	},
	"claim_queued":     {"external_id_unique", "operation_runs_pkey", "workspaces_pkey"},
	"wait":             {"external_id_unique", "workspaces_pkey"},
	"park":             {"external_id_unique", "operation_runs_pkey"},
	"promote":          {"operation_runs_pkey", "runs_active_tenant", "runs_active_workspace"},
	"sweep_waiting":    {"operation_runs_pkey", "runs_active_tenant", "runs_active_workspace", "runs_due"},
	"promote_orphan":   {"operation_runs_pkey"},
	"cancel":           {"operation_runs_pkey"},
	"retry":            {"operation_runs_pkey"},
	"not_retried":      {"operation_runs_pkey", "runs_active_tenant", "runs_active_workspace"},
	"unpark":           {"operation_runs_pkey", "runs_due"},
	"tenant_status":    {"external_id_unique"},
	"declare_types":    nil,
	"ensure_follow_up": {"runs_active_tenant", "runs_active_workspace"},
	"ensure_made":      {"operation_run_deliveries_pkey", "operation_runs_pkey"},
	"ensure_past":      {"runs_cooldown", "runs_once"},
	"record_delivery":  nil,
	"last_fire":        nil,
	"fired":            nil,
	"fire":             {"external_id_unique", "workspaces_pkey"},
	"lend_input":       {"operation_runs_pkey"},
	"take_spare":       {"operation_runs_pkey"},
	"ensure_lent":      {"runs_active_tenant", "runs_active_workspace"},
	"forgotten":        nil,
	"extend":           {"operation_runs_pkey"},
	"finish":           {"operation_runs_pkey"},
	"finish alone":     {"operation_runs_pkey"},
	"finish_one":       {"operation_runs_pkey"},
	"confirm":          {"operation_run_attempts_pkey", "operation_runs_pkey"},
	"confirm_wait":     {"operation_runs_pkey"},
	"requeue":          {"operation_run_attempts_pkey", "operation_runs_pkey"},
	"fence":            nil,

	"reconcile_candidates":      {"operation_runs_pkey", "runs_due", "tenants_pkey"},
	"horizon":                   nil,
	"advance_horizon":           nil,
	"memory":                    nil,
	"delete_expired_runs":       {"operation_run_attempts_pkey", "operation_runs_pkey"},
	"delete_expired_deliveries": {"operation_run_deliveries_pkey"},
	"delete_expired_letters":    {"dead_letters_pkey"},

	"account": {
		"external_id_unique", "operation_run_attempts_pkey", "operation_run_deliveries_pkey", "operation_runs_pkey", "place_unique",
	},
	"verdicts":       {"operation_run_deliveries_pkey", "place_unique"},
	"due":            {"operation_runs_pkey", "runs_due", "tenants_pkey"},
	"published":      {"operation_runs_pkey"},
	"postpone":       {"operation_runs_pkey"},
	"keep_input":     {"operation_runs_pkey"},
	"end_run":        {"operation_runs_pkey"},
	"late":           {"runs_due"},
	"sweep":          {"operation_runs_pkey"},
	"bury":           nil,
	"run":            {"operation_runs_pkey", "tenants_pkey"},
	"attempts":       {"operation_run_attempts_pkey"},
	"dead_letter":    {"dead_letters_pkey"},
	"mark_requeued":  {"dead_letters_pkey"},
	"scope":          {"external_id_unique", "workspaces_pkey"},
	"ensure_new":     {"external_id_unique", "operation_run_deliveries_pkey", "runs_cooldown", "workspaces_pkey"},
	"ensure_queued":  {"runs_active_tenant", "runs_active_workspace"},
	"ensure_running": {"runs_active_tenant", "runs_active_workspace"},
}

// callers are the hot statements that run in transactions of the caller's, where no setting helps them.
var callers = []string{
	"scope", "ensure_new", "ensure_queued", "ensure_follow_up", "ensure_made", "ensure_past", "ensure_running", "record_delivery",
	"forgotten", "run", "retry", "not_retried", "unpark", "tenant_status",
}

func TestPlans(t *testing.T) {
	t.Parallel()
	grow, err := os.ReadFile("testdata/fifty_thousand_runs.sql")
	must(t, err)
	scenes(t, map[string]func(s *scene){
		"of_an_empty_ledger_that_was_never_analysed": func(s *scene) { s.checkPlans() },
		"of_a_ledger_that_grew_and_was_never_analysed": func(s *scene) {
			s.exec(neverAnalyse)
			s.exec(string(grow))
			s.checkPlans()
		},
		"of_a_ledger_that_was_analysed": func(s *scene) {
			s.exec(neverAnalyse)
			s.exec(string(grow))
			s.exec("analyze")
			s.checkPlans()
		},
	})
}

const neverAnalyse = `
alter table oprun.workspaces set (autovacuum_enabled = off);
alter table oprun.tenants set (autovacuum_enabled = off);
alter table oprun.operation_runs set (autovacuum_enabled = off);
alter table oprun.operation_run_attempts set (autovacuum_enabled = off);
alter table oprun.operation_run_deliveries set (autovacuum_enabled = off);
alter table oprun.job_types set (autovacuum_enabled = off);
alter table oprun.retention_horizon set (autovacuum_enabled = off);
alter table oprun.schedules set (autovacuum_enabled = off);
alter table oprun.dead_letters set (autovacuum_enabled = off)`

// checkPlans looks at the plans of the hot statements where they run: on the ledger's own connections, or in a
// caller's transaction.
func (s *scene) checkPlans() {
	s.t.Helper()
	for _, name := range slices.Sorted(maps.Keys(hot)) {
		s.checkPlan(name, s.db, "")
	}
	for _, name := range callers {
		s.checkPlan(name, s.pool, "set local plan_cache_mode = 'force_generic_plan'")
	}
	for _, name := range []string{"finish", "finish alone", "finish_one", "promote"} {
		s.checkPlan(name, s.pool, laneSettingsSQL)
	}
}

func (s *scene) checkPlan(name string, pool *pgxpool.Pool, settings string) {
	s.t.Helper()
	err := pgx.BeginFunc(s.t.Context(), pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(s.t.Context(), settings); err != nil {
			return err
		}
		p, err := explain(s, tx, name)
		if err != nil {
			return err
		}
		if len(p.scanned) > 0 {
			s.t.Errorf("%s (%s) scans %v", name, settings, p.scanned)
		}
		slices.Sort(p.indexes)
		same(s.t, "indexes of "+name+" "+settings, hot[name], slices.Compact(p.indexes))
		return nil
	})
	must(s.t, err)
}

// plan is what a plan reads: whole tables or indexes, and parts of indexes.
type plan struct{ scanned, indexes []string }

// explain returns what the plan of a statement reads.
func explain(s *scene, tx pgx.Tx, name string) (p plan, err error) {
	root, err := explainTree(s, tx, name)
	root.walk(&p)
	return p, err
}

// explainTree returns the plan of a statement. Its parameters are all null, which a generic plan does not know.
func explainTree(s *scene, tx pgx.Tx, name string) (root node, err error) {
	text, varied := map[string]string{"claim_new tolerant": claimTolerantSQL, "finish alone": finishAloneSQL}[name]
	if !varied {
		text = statement(name)
	}
	prepared, err := tx.Conn().Prepare(s.t.Context(), "plan of "+name, text)
	if err != nil {
		return root, err
	}
	var nulls string
	if n := len(prepared.ParamOIDs); n > 0 {
		nulls = "(null" + strings.Repeat(", null", n-1) + ")"
	}
	var explained string
	err = tx.QueryRow(s.t.Context(), fmt.Sprintf(`explain (format json) execute "plan of %s"%s`, name, nulls)).Scan(&explained)
	if err != nil {
		return root, fmt.Errorf("explain %s: %w", name, err)
	}
	var roots []struct{ Plan node }
	if err := json.Unmarshal([]byte(explained), &roots); err != nil {
		return root, err
	}
	return roots[0].Plan, nil
}

// node is one step of a plan.
type node struct {
	Type      string `json:"Node Type"`
	Operation string `json:"Operation"`
	Subplan   string `json:"Subplan Name"`
	Relation  string `json:"Relation Name"`
	Index     string `json:"Index Name"`
	Cond      string `json:"Index Cond"`
	Plans     []node
}

// TestFinishTakesRunsInOrder looks for the one join that takes rows in the order of the sorted batch: any other could
// deadlock with a heartbeat.
func TestFinishTakesRunsInOrder(t *testing.T) {
	t.Parallel()
	grow, err := os.ReadFile("testdata/fifty_thousand_runs.sql")
	must(t, err)
	s := newScene(t)
	for _, step := range []string{neverAnalyse, string(grow), "analyze"} {
		s.exec(step)
		must(t, pgx.BeginFunc(t.Context(), s.db, func(tx pgx.Tx) error {
			root, err := explainTree(s, tx, "finish")
			if err != nil {
				return err
			}
			update := root.find(func(n node) bool { return n.Operation == "Update" })
			join := update.find(func(n node) bool { return len(n.Plans) == 2 })
			if join.Type != "Nested Loop" || join.Plans[0].Type != "CTE Scan" || join.Plans[1].Index != "operation_runs_pkey" {
				t.Errorf("the update does not follow the batch: %+v", update)
			}
			if sorted := root.find(func(n node) bool { return n.Subplan == "CTE wanted" }); sorted.Type != "Sort" {
				t.Errorf("the batch is not sorted: %+v", sorted)
			}
			return nil
		}))
	}
}

// find returns the first step of a plan, top down, that is such.
func (n node) find(such func(node) bool) node {
	if such(n) {
		return n
	}
	for _, child := range n.Plans {
		if found := child.find(such); found.Type != "" {
			return found
		}
	}
	return node{}
}

// small are tables of a handful of rows, which may be read whole.
var small = []string{"job_types", "retention_horizon", "schedules"}

func (n node) walk(p *plan) {
	switch {
	case slices.Contains(small, n.Relation):
	case n.Type == "Seq Scan":
		p.scanned = append(p.scanned, n.Relation)
	case n.Index != "" && n.Cond == "":
		p.scanned = append(p.scanned, n.Index)
	case n.Index != "":
		p.indexes = append(p.indexes, n.Index)
	}
	for _, child := range n.Plans {
		child.walk(p)
	}
}
