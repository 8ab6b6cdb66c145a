package oprun

import (
	"embed"
	"strings"
)

//go:embed sql/*.sql
var sqlFiles embed.FS

// The statements, each the text of its file.
var (
	claimNewSQL       = statement("claim_new")
	claimTolerantSQL  = strings.Replace(claimNewSQL, "--tolerant ", "", 1)
	claimKnownSQL     = statement("claim_known")
	claimQueuedSQL    = statement("claim_queued")
	waitSQL           = statement("wait")
	parkSQL           = statement("park")
	promoteSQL        = statement("promote")
	extendSQL         = statement("extend")
	finishSQL         = statement("finish")
	confirmWaitSQL    = statement("confirm_wait")
	confirmSQL        = statement("confirm")
	requeueSQL        = statement("requeue")
	fenceSQL          = statement("fence")
	dueSQL            = statement("due")
	publishedSQL      = statement("published")
	postponeSQL       = statement("postpone")
	keepInputSQL      = statement("keep_input")
	endRunSQL         = statement("end_run")
	lateSQL           = statement("late")
	sweepSQL          = statement("sweep")
	sweepWaitingSQL   = statement("sweep_waiting")
	promoteOrphanSQL  = statement("promote_orphan")
	cancelSQL         = statement("cancel")
	retrySQL          = statement("retry")
	notRetriedSQL     = statement("not_retried")
	declareTypesSQL   = statement("declare_types")
	candidatesSQL     = statement("reconcile_candidates")
	horizonSQL        = statement("horizon")
	advanceSQL        = statement("advance_horizon")
	deleteRunsSQL     = statement("delete_expired_runs")
	deleteSeenSQL     = statement("delete_expired_deliveries")
	deleteLettersSQL  = statement("delete_expired_letters")
	burySQL           = statement("bury")
	scopeSQL          = statement("scope")
	ensureNewSQL      = statement("ensure_new")
	ensureQueuedSQL   = statement("ensure_queued")
	ensureFollowUpSQL = statement("ensure_follow_up")
	ensureMadeSQL     = statement("ensure_made")
	ensurePastSQL     = statement("ensure_past")
	recordDeliverySQL = statement("record_delivery")
	lastFireSQL       = statement("last_fire")
	firedSQL          = statement("fired")
	fireSQL           = statement("fire")
	takeSpareSQL      = statement("take_spare")
	ensureLentSQL     = statement("ensure_lent")
	lendInputSQL      = statement("lend_input")
	forgottenSQL      = statement("forgotten")
	ensureRunningSQL  = statement("ensure_running")
	runSQL            = statement("run")
	runsSQL           = statement("runs")
	attemptsSQL       = statement("attempts")
	deadLettersSQL    = statement("dead_letters")
	deadLetterSQL     = statement("dead_letter")
	markRequeuedSQL   = statement("mark_requeued")
	addWorkspaceSQL   = statement("add_workspace")
	addTenantSQL      = statement("add_tenant")
	tenantsSQL        = statement("tenants")
	tenantStatusSQL   = statement("tenant_status")
	unparkSQL         = statement("unpark")
	workspacesSQL     = statement("workspaces")
	schemaVersionSQL  = statement("schema_version")
	laneSettingsSQL   = statement("lane_settings")
	lockTimeoutSQL    = statement("lock_timeout")
	accountSQL        = statement("account")
	twinsSQL          = statement("twins")
)

// statement reads one embedded file; a missing one is a mistake in this file.
func statement(name string) string {
	text, err := sqlFiles.ReadFile("sql/" + name + ".sql")
	if err != nil {
		panic(err)
	}
	return string(text)
}
