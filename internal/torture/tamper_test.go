package torture

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

// tamperer breaks what a torture has left, and mends it again.
type tamperer struct {
	*testing.T
	ctx context.Context //nolint:containedctx // of one test
	s   *stage
	was *audit
}

func (t tamperer) exec(statement string, args ...any) {
	t.Helper()
	if _, err := t.s.worlds[0].pool.Exec(t.ctx, statement, args...); err != nil {
		t.Fatal(err)
	}
}

// violated wants one of the violations to read like this, or none at all.
func (t tamperer) violated(invariant, text string, counters map[string]int) {
	t.Helper()
	a, err := t.s.audit(t.ctx, counters)
	if err != nil {
		t.Fatal(err)
	}
	found := invariant == "" && len(a.violations) == 0
	for _, v := range a.violations {
		found = found || v.invariant == invariant && strings.Contains(v.text, text)
	}
	if !found {
		t.Errorf("violations %q, want one of %s: %q", a.violations, invariant, text)
	}
}

// unseen breaks something behind the database's own auditor.
func (t tamperer) unseen(statement string, args ...any) {
	t.Helper()
	t.exec("alter table oprun.operation_runs disable trigger torture_audit")
	t.exec(statement, args...)
	t.exec("alter table oprun.operation_runs enable trigger torture_audit")
}

// auditFindsWhatIsBroken breaks the promise in every way the audit is there to see, one after the other.
func auditFindsWhatIsBroken(t *testing.T, x tamperer) {
	t.Helper()
	x.violated("", "", nil)
	var own *request // a message that had a run of its own, which succeeded
	for _, r := range x.was.requests {
		if r.Way == byRequest && r.Type == "torture.plain" && r.Event == ok && x.was.succeeded(r) {
			own = r
			break
		}
	}
	run := x.was.byRequest[own.Request][0].runID
	x.effects(run)
	x.rows(run)
	x.clients(run, own)
	x.joins(run)
	x.schedules()
	x.auditor(run)
	x.violated("I12", "torture.plain succeeded", map[string]int{"torture.plain succeeded": 1e6})
}

func (a *audit) succeeded(r *request) bool {
	for _, m := range a.byRequest[r.Request] {
		if a.runs[m.runID].Outcome == "succeeded" {
			return true
		}
	}
	return false
}

func (t tamperer) effects(run uuid.UUID) {
	t.Helper()
	t.exec("create table kept_effects as select * from torture.effects where run_id = $1", run)
	t.exec("insert into torture.effects select * from kept_effects")
	t.violated("I2", "succeeded with 2 effects", nil)
	t.exec("delete from torture.effects where run_id = $1", run)
	t.violated("I2", "succeeded with 0 effects", nil)
	t.exec("insert into torture.effects select run_id, attempt + 1, request from kept_effects")
	t.violated("I9", "its effect is of attempt", nil)
	t.exec("update torture.effects set attempt = attempt - 1, request = 7 where run_id = $1", run)
	t.violated("I2", "did the work of request 7", nil)
	t.exec("delete from torture.effects where run_id = $1", run)
	t.exec("insert into torture.effects select * from kept_effects")

	// An effect that stays of a job whose statement behind it has failed.
	t.exec("insert into torture.effects select id, attempt, 1 from oprun.operation_runs where type = 'torture.rotten' limit 1")
	t.violated("I2", "failed with 1 effects", nil)
	t.exec("delete from torture.effects e using oprun.operation_runs r where r.id = e.run_id and r.type = 'torture.rotten'")
	t.violated("", "", nil)

	stranger := uuid.New()
	t.exec("insert into torture.effects values ($1, 1, 1)", stranger)
	t.violated("I2", "which the ledger has not", nil)
	t.exec("delete from torture.effects where run_id = $1", stranger)
	t.violated("", "", nil)
}

func (t tamperer) rows(run uuid.UUID) {
	t.Helper()
	t.exec("create table kept as select * from oprun.operation_runs where id = $1", run)
	restore := func() {
		t.Helper()
		t.unseen("delete from oprun.operation_runs where id = $1", run)
		t.unseen("insert into oprun.operation_runs select * from kept")
		t.violated("", "", nil)
	}
	t.unseen("delete from oprun.operation_runs where id = $1", run)
	t.violated("I4", "and no recorded delivery", nil)
	t.violated("I10", "and no dead letter", nil)
	restore()
	t.unseen("update oprun.operation_runs set outcome = 'failed' where id = $1", run)
	t.violated("I7", "ended failed", nil)
	restore()
	t.unseen("update oprun.operation_runs set summary_counts = '{\"processed\": 77}' where id = $1", run)
	t.violated("I13", "its counts are not those", nil)
	restore()
	t.unseen("update oprun.operation_runs set type = 'torture.other' where id = $1", run)
	t.violated("I11", "is torture.other", nil)
	restore()
	t.unseen("update oprun.operation_runs set status = 'queued', outcome = 'pending', completed_at = null, due_at = now() where id = $1", run)
	t.violated("I4", "has not ended", nil)
	restore()
	stranger := uuid.New()
	t.unseen("insert into oprun.operation_runs select (jsonb_populate_record(k, jsonb_build_object('id', $1::uuid))).* from kept k", stranger)
	t.violated("I5", "nobody asked for it", nil)
	t.unseen("delete from oprun.operation_runs where id = $1", stranger)
	t.violated("", "", nil)
}

// first tells whether a request went to the first world, which is the one that is tampered with.
func (t tamperer) first(r *request) (yes bool) {
	t.Helper()
	err := t.s.worlds[0].pool.QueryRow(t.ctx, "select exists (select from torture.business where request = $1)", r.Request).Scan(&yes)
	if err != nil {
		t.Fatal(err)
	}
	return yes
}

func (t tamperer) clients(run uuid.UUID, own *request) {
	t.Helper()
	for number, r := range t.was.requests {
		if r.Way != byLedger || r.Event != ok || !t.first(r) {
			continue
		}
		t.exec("create table kept_business as select * from torture.business where request = $1", number)
		t.exec("delete from torture.business where request = $1", number)
		t.violated("I4", "the caller's row is gone", nil)
		t.exec("insert into torture.business select * from kept_business union all select * from kept_business")
		t.violated("I5", "is there 2 times", nil)
		t.exec("delete from torture.business where request = $1", number)
		t.exec("insert into torture.business select * from kept_business")
		break
	}
	for number, r := range t.was.requests {
		if r.Way == byLedger && r.Event == refused {
			t.exec("insert into torture.business values ($1, $2)", number, run)
			t.violated("I5", "aborted, and the caller's row is there", nil)
			t.exec("delete from torture.business where request = $1", number)
			break
		}
	}
	t.exec("create table kept_letters as select * from oprun.dead_letters")
	t.exec("delete from oprun.dead_letters")
	t.violated("I4", "is no dead letter", nil)
	t.violated("I10", "is no dead letter", nil)
	t.exec("insert into oprun.dead_letters select * from kept_letters")
	// A request that was accepted and is not in the stream.
	t.s.history.note(entry{Request: 1, Event: invoked, Way: byRequest, Type: own.Type, Scope: own.Scope, Key: "lost"})
	t.violated("", "", nil) // never answered, never stored
	t.s.history.note(entry{Request: 1, Event: ok, Seq: 1e9})
	t.violated("I4", "the stream has it not", nil)
	if err := t.s.history.file.Truncate(0); err != nil {
		t.Fatal(err)
	}
	t.violated("I5", "nobody asked for it", nil)
}

func (t tamperer) joins(run uuid.UUID) {
	t.Helper()
	stranger := uuid.New()
	t.exec("insert into oprun.operation_run_deliveries (id, run_id, verdict) values ($1, $2, 'duplicate')", run, stranger)
	a := &audit{facts: t.must(t.s.facts(t.ctx)), explained: map[uuid.UUID]bool{}, sums: map[string]int{}}
	r := &request{entry: entry{Request: a.effects[run][0].Request, Event: ok, Type: a.runs[run].Type, Scope: a.runs[run].Scope, At: time.Now()}}
	if end := a.served(r, run); end != both { // and the run that it joined is not there
		t.Errorf("the request %s, want it to have %s", end, both)
	}
	a.joined(r, run)
	r.At = time.Time{}.Add(time.Hour)
	a.claims[run] = []time.Time{{}}
	a.joined(r, run)
	a.claims[run] = append(a.claims[run], time.Now())
	a.joined(r, run) // it was claimed again
	r.Scope = "tenant.another"
	a.joined(r, run)
	want := []violation{
		{"I4", "which the ledger has not"},
		{"I4", "which had ended before it was asked for"},
		{"I6", "which was claimed before it was asked for"},
		{"I11", "and joined run"},
	}
	if len(a.violations) != len(want) {
		t.Errorf("%d violations, want %d", len(a.violations), len(want))
	}
	for i, want := range want {
		if i >= len(a.violations) || a.violations[i].invariant != want.invariant || !strings.Contains(a.violations[i].text, want.text) {
			t.Errorf("violations %q, want %q as number %d", a.violations, want, i)
		}
	}
}

func (t tamperer) schedules() {
	t.Helper()
	a := &audit{facts: t.must(t.s.facts(t.ctx))}
	a.schedules()
	if len(a.violations) > 0 {
		t.Errorf("violations %q of schedules", a.violations)
	}
	for _, r := range a.runs {
		if r.FireTime != nil {
			r.ID = uuid.New()
			a.runs[r.ID] = r
			a.schedules()
			if len(a.violations) != 1 || a.violations[0].invariant != "I5" {
				t.Errorf("violations %q, want one of I5: two runs of a fire time", a.violations)
			}
			return
		}
	}
	t.Error("no schedule fired")
}

func (t tamperer) must(f *facts, err error) *facts {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// auditor tries the trigger, which sees what is gone a moment later.
func (t tamperer) auditor(run uuid.UUID) {
	t.Helper()
	seen := func(invariant, text string) {
		t.Helper()
		t.violated(invariant, text, nil)
		t.exec("delete from torture.violations")
	}
	t.exec(`update oprun.operation_runs set status = 'running', outcome = 'pending', completed_at = null, due_at = now(), attempt = 2,
		max_attempts = 9, claim_token = gen_random_uuid(), lease_expires_at = now() + interval '1 h' where id = $1`, run)
	seen("I8", "then changed to running")
	t.exec("update oprun.operation_runs set claim_token = gen_random_uuid(), attempt = 3 where id = $1", run)
	seen("I3", "from a live lease")
	t.exec("update oprun.operation_runs set attempt = 1 where id = $1", run)
	seen("I8", "attempt 3 to 1")
	t.exec("update oprun.operation_runs set dispatch_no = -1 where id = $1", run)
	seen("I8", "to -1")
	t.exec("drop index oprun.runs_active_tenant")
	t.exec(`insert into oprun.operation_runs select (jsonb_populate_record(r, jsonb_build_object('id', gen_random_uuid()))).*
		from oprun.operation_runs r where id = $1`, run)
	seen("I3", "of the same identity has a live lease")
	t.exec("delete from oprun.operation_runs where id = $1", run)
	seen("I8", "was deleted")
}
