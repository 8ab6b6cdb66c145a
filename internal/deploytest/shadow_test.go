package deploytest

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/oprun"
)

// A worker's login makes shadows when it may create schemas in the database, and else is told so. It needs no other right.
func TestRunnerMakesAShadow(t *testing.T) {
	t.Parallel()
	conn := ledgerWithRoles(t)
	seeded := openAs(t, conn, "oprun_owner")
	_, tenant, err := seeded.Seed(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	ledger := openAs(t, conn, "oprun_runner")
	if _, err := ledger.MakeShadow(t.Context(), "mine", "a test"); !errors.Is(err, oprun.ErrMayNotShadow) {
		t.Errorf("made without the right to: %v", err)
	}
	var database string
	if err := conn.QueryRow(t.Context(), "select current_database()").Scan(&database); err != nil {
		t.Fatal(err)
	}
	execute(t, conn, "grant create on database "+pgx.Identifier{database}.Sanitize()+" to oprun_runner")
	shadow, err := ledger.MakeShadow(t.Context(), "mine", "a test")
	if err != nil {
		t.Fatal(err)
	}
	defer shadow.Close()
	playRun(t, shadow, dedupe.Tenant(tenant.ExternalID))
	report, err := shadow.Diff(t.Context(), 10)
	if err != nil || report.Records != 1 || report.Totals[0].LeftOut[oprun.NotInLedger] != 1 {
		t.Errorf("the comparison: %+v, %v", report, err)
	}
	// It is nobody else's.
	if names, err := seeded.Shadows(t.Context()); err != nil || !slices.Equal(names, []string{"mine"}) {
		t.Errorf("shadows: %v, %v", names, err)
	}
	for _, role := range []string{"oprun_reader", "oprun_publisher"} {
		if _, err := openAs(t, conn, role).OpenShadow(t.Context(), "mine"); !errors.Is(err, oprun.ErrMayNotShadow) {
			t.Errorf("%s opens another's shadow: %v", role, err)
		}
	}
	if err := ledger.DropShadow(t.Context(), "mine"); err != nil {
		t.Error(err)
	}
}

// playRun has one run in the shadow, whose effects are taken back.
func playRun(t *testing.T, shadow *oprun.Shadow, scope dedupe.Scope) {
	t.Helper()
	d := oprun.Delivery{
		RunID: uuid.Must(uuid.NewV7()), Identity: dedupe.Identity{Scope: scope, Type: "a.b"}, Token: uuid.New(), Lease: time.Minute,
		Seq: 1, StoredAt: time.Now(),
	}
	answer, err := shadow.Claim(t.Context(), oprun.Claimer{Worker: uuid.New(), Stream: "JOBS"}, d)
	if err != nil || answer.Verdict != dedupe.Execute {
		t.Fatalf("claim: %v, %v", answer.Verdict, err)
	}
	tx, err := shadow.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	hold := oprun.Hold{RunID: d.RunID, Token: d.Token, Attempt: 1}
	if err := tx.Land(t.Context(), oprun.Result{Hold: hold, Outcome: oprun.Succeeded, Ended: oprun.AttemptSucceeded}); err != nil {
		t.Fatal(err)
	}
	note := oprun.ShadowNote{
		Place: oprun.Place{RunID: d.RunID, Stream: "JOBS", Seq: 1, StoredAt: d.StoredAt}, Scope: scope, Type: "a.b", Verdict: dedupe.Execute,
	}
	if err := shadow.Note(t.Context(), []oprun.ShadowNote{note}); err != nil {
		t.Fatal(err)
	}
}

// openAs opens the ledger as a login that is a member of this role.
func openAs(t *testing.T, conn *pgx.Conn, role string) *oprun.Ledger {
	t.Helper()
	config, err := pgxpool.ParseConfig("")
	if err != nil {
		t.Fatal(err)
	}
	config.ConnConfig = login(t, conn, role).Config()
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	ledger, err := oprun.Open(t.Context(), pool)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ledger.Close)
	return ledger
}
