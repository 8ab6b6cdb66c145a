package oprun

import (
	"embed"
	"io/fs"
	"strings"

	"oprun.example/migrations"
)

//go:embed sql/*.sql sql/shadow/*.sql
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
	finishAloneSQL    = alone(finishSQL)
	finishOneSQL      = statement("finish_one")
	commitSQL         = statement("commit")
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
	memorySQL         = statement("memory")
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
	runsByIDSQL       = statement("runs_by_id")
	runsActiveSQL     = statement("runs_active")
	runsSucceededSQL  = statement("runs_succeeded")
	runsUnwellSQL     = statement("runs_unwell")
	runsInScopeSQL    = statement("runs_unwell_in_scope")
	runsFloorSQL      = statement("runs_floor")
	pageSettingsSQL   = statement("page_settings")
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
	laneSessionSQL    = statement("lane_session")
	groupLimitsSQL    = statement("group_limits")
	aloneLimitsSQL    = statement("alone_limits")
	jobBeginSQL       = statement("job_begin")
	jobEndSQL         = statement("job_end")
	jobUndoSQL        = statement("job_undo")
	accountSQL        = statement("account")
	twinsSQL          = statement("twins")
	statsSettingsSQL  = statement("stats_settings")
	statsActiveSQL    = statement("stats_active")
	statsDueSQL       = statement("stats_due")
	statsStaleSQL     = statement("stats_stale")
	statsStaleManySQL = statement("stats_stale_many")
	statsUnwellSQL    = statement("stats_unwell")
	verdictsSQL       = statement("verdicts")
)

// The statements of shadows, which speak of a shadow's schema.
var (
	guardSQL        = statement("shadow/guard")
	guardTableSQL   = statement("shadow/guard_table")
	unguardSQL      = statement("shadow/unguard")
	constraintsSQL  = statement("shadow/constraints")
	readOnlySQL     = statement("shadow/read_only")
	copyScopesSQL   = statement("shadow/scopes")
	shadowBegunSQL  = statement("shadow/begun")
	shadowEndedSQL  = statement("shadow/finished")
	shadowAboutSQL  = statement("shadow/about")
	shadowNoteSQL   = statement("shadow/note")
	shadowNotedSQL  = statement("shadow/noted")
	shadowPageSQL   = statement("shadow/page")
	shadowSchemaSQL = statement("shadow/names")
)

// alone is finish.sql for one attempt: it fails when that was fenced.
func alone(finish string) string { return strings.Replace(finish, "--alone ", "", 1) }

// statement reads one embedded file; a missing one is a mistake in this file.
func statement(name string) string {
	text, err := sqlFiles.ReadFile("sql/" + name + ".sql")
	if err != nil {
		panic(err)
	}
	return string(text)
}

// elsewhere returns every statement as it is for a ledger in another schema, by its text.
func elsewhere(schema string) (map[string]string, error) {
	texts := make(map[string]string)
	err := fs.WalkDir(sqlFiles, "sql", func(path string, file fs.DirEntry, err error) error {
		if err != nil || file.IsDir() {
			return err
		}
		text := statement(strings.TrimSuffix(strings.TrimPrefix(path, "sql/"), ".sql"))
		texts[text] = migrations.In(schema, text)
		return nil
	})
	for _, form := range []string{claimTolerantSQL, finishAloneSQL} {
		texts[form] = migrations.In(schema, form)
	}
	return texts, err
}
