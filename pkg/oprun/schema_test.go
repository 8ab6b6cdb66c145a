package oprun

import (
	"errors"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// TestSchema tries rows that must not exist. Each statement is told to break the named constraint, and no other.
func TestSchema(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.take(s.delivery("running"))
	s.ensure("queued")
	s.finish(s.take(s.delivery("completed")))
	const run, running, queued, completed = "update oprun.operation_runs set ", " where status = 'running'", " where status = 'queued'", " where status = 'completed'"
	tests := []struct{ sql, constraint string }{
		{run + "run_identity_hash = '\\x00'", "identity_is_sha256"},
		{run + "status = 'waiting'" + queued, "status_is_known"},
		{run + "outcome = 'fine'" + completed, "outcome_is_known"},
		{run + "claim_token = null" + running, "running_is_owned"},
		{run + "lease_expires_at = null" + running, "running_is_owned"},
		{run + "claim_token = gen_random_uuid(), lease_expires_at = now()" + queued, "running_is_owned"},
		{run + "status = 'running'" + queued, "running_is_owned"},
		{run + "completed_at = null, due_at = now()" + completed, "completed_is_final"},
		{run + "outcome = 'pending'" + completed, "completed_is_final"},
		{run + "outcome = 'succeeded'" + queued, "completed_is_final"},
		{run + "status = 'completed', outcome = 'failed', completed_at = now()" + queued, "active_is_due"},
		{run + "due_at = null" + queued, "active_is_due"},
		{run + "due_at = now()" + completed, "active_is_due"},
		{run + "follow_up = true" + running, "follow_up_waits"},
		{run + "attempt = -1", "attempts_are_bounded"},
		{run + "attempt = max_attempts + 1", "attempts_are_bounded"},
		{run + "input = '[]'", "input_is_an_object"},
		{run + "summary_counts = '[1]'", "counts_are_whole_numbers"},
		{run + "summary_counts = '{\"total\": -1}'", "counts_are_whole_numbers"},
		{run + "summary_counts = '{\"total\": 1.5}'", "counts_are_whole_numbers"},
		{run + "summary_counts = '{\"total\": \"1\"}'", "counts_are_whole_numbers"},
		{run + "summary_counts = '{\"total\": {}}'", "counts_are_whole_numbers"},
		{run + "failure_summary = '{}'", "failures_are_a_short_list"},
		{run + "failure_summary = (select jsonb_agg(n) from generate_series(0, 20) n)", "failures_are_a_short_list"},
		{run + "context = '[]'", "context_is_an_object"},
		{copyOf("running", ""), "runs_active_tenant"},
		{copyOf("queued", ""), "runs_active_tenant"},
		{copyOf("queued", `"follow_up": true`) + copyOf("queued", `"follow_up": true`), "runs_active_tenant"},
		{copyOf("queued", `"tenant_id": null`) + copyOf("queued", `"tenant_id": null`), "runs_active_workspace"},
		{copyOf("completed", `"once": true`) + copyOf("completed", `"once": true`), "runs_once"},
		{"insert into oprun.operation_run_attempts (run_id, attempt, claim_token, result) values (gen_random_uuid(), 1, gen_random_uuid(), 'fine')", "result_is_known"},
		{"insert into oprun.dead_letters (id, stream, seq, store_time, subject, body, reason) values (gen_random_uuid(), '', 1, now(), '', '', 'fine')", "reason_is_known"},
		{"update oprun.tenants set external_id = '00000000-0000-1000-8000-000000000000'", "external_id_is_v4"},
		{"update oprun.tenants set external_id = '00000000-0000-4000-7000-000000000000'", "external_id_is_v4"},
		{"update oprun.tenants set external_id = '0190a000-0000-7000-8000-000000000000'", "external_id_is_v4"},
		{"update oprun.tenants set status = 'gone'", "tenants_status_check"},
		{"update oprun.tenants set workspace_id = gen_random_uuid()", "tenants_workspace_id_fkey"},
	}
	for _, test := range tests {
		_, err := s.pool.Exec(t.Context(), test.sql)
		var refused *pgconn.PgError
		if !errors.As(err, &refused) || refused.ConstraintName != test.constraint {
			t.Errorf("%s\nis not refused by %s: %v", test.sql, test.constraint, err)
		}
	}
}

// copyOf inserts a copy of the run in this status, under another id, with these columns instead.
func copyOf(status, columns string) string {
	return `insert into oprun.operation_runs
		select (jsonb_populate_record(r, jsonb_build_object('id', gen_random_uuid()) || '{` + columns + `}')).*
		from oprun.operation_runs r where status = '` + status + `' limit 1;`
}
