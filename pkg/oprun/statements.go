package oprun

import (
	"embed"
	"strings"
)

//go:embed sql/*.sql
var sqlFiles embed.FS

// The statements, each the text of its file.
var (
	claimNewSQL      = statement("claim_new")
	claimTolerantSQL = strings.Replace(claimNewSQL, "--tolerant ", "", 1)
	claimKnownSQL    = statement("claim_known")
	extendSQL        = statement("extend")
	finishSQL        = statement("finish")
	confirmWaitSQL   = statement("confirm_wait")
	confirmSQL       = statement("confirm")
	requeueSQL       = statement("requeue")
	fenceSQL         = statement("fence")
	dueSQL           = statement("due")
	publishedSQL     = statement("published")
	postponeSQL      = statement("postpone")
	keepInputSQL     = statement("keep_input")
	loseSQL          = statement("lose")
	sweepSQL         = statement("sweep")
	burySQL          = statement("bury")
	scopeSQL         = statement("scope")
	ensureNewSQL     = statement("ensure_new")
	ensureQueuedSQL  = statement("ensure_queued")
	ensureRunningSQL = statement("ensure_running")
	runSQL           = statement("run")
	runsSQL          = statement("runs")
	attemptsSQL      = statement("attempts")
	deadLettersSQL   = statement("dead_letters")
	deadLetterSQL    = statement("dead_letter")
	addWorkspaceSQL  = statement("add_workspace")
	addTenantSQL     = statement("add_tenant")
	tenantsSQL       = statement("tenants")
	workspacesSQL    = statement("workspaces")
	accountSQL       = statement("account")
	twinsSQL         = statement("twins")
	schemaVersionSQL = statement("schema_version")
	laneSettingsSQL  = statement("lane_settings")
	lockTimeoutSQL   = statement("lock_timeout")
)

// statement reads one embedded file; a missing one is a mistake in this file.
func statement(name string) string {
	text, err := sqlFiles.ReadFile("sql/" + name + ".sql")
	if err != nil {
		panic(err)
	}
	return string(text)
}
