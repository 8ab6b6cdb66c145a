package demo

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"github.com/google/uuid"
	"go.uber.org/goleak"

	"oprun.example/internal/devstack"
)

// TestMain is a consumer process of the demo when the demo under test starts it as one.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == "demo-worker" {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		defer stop()
		if err := Worker(ctx, slog.New(slog.DiscardHandler)); err != nil {
			panic(err)
		}
		return
	}
	goleak.VerifyTestMain(devstack.Tests{M: m})
}

func TestRun(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	inspected := false
	err = Run(t.Context(), Config{
		Jobs: 1000, Out: &out, Self: func() []string { return []string{self, "demo-worker"} },
		inspect: func(s *stage, b *book) {
			inspected = true
			auditFindsWhatIsBroken(t, s, b)
		},
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	if !inspected {
		t.Error("the audit was not tried")
	}
	for _, want := range []string{"published", "50 suppressed by the broker", "joined", "OK: each of 900 accepted requests"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the report lacks %q:\n%s", want, out.String())
		}
	}
}

// auditFindsWhatIsBroken breaks the promise in every way the audit is there to see, one after the other.
func auditFindsWhatIsBroken(t *testing.T, s *stage, b *book) {
	t.Helper()
	ctx := t.Context()
	exec := func(sql string, args ...any) {
		t.Helper()
		if _, err := s.pool.Exec(ctx, sql, args...); err != nil {
			t.Fatal(err)
		}
	}
	violated := func(want string) {
		t.Helper()
		a, err := s.audit(ctx, b)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(a.violations, "\n"); (want == "") != (got == "") || !strings.Contains(got, want) {
			t.Errorf("violations %q, want %q", got, want)
		}
	}
	violated("")

	var run, join uuid.UUID
	if err := s.pool.QueryRow(ctx, "select run_id from effects limit 1").Scan(&run); err != nil {
		t.Fatal(err)
	}
	exec("insert into effects values ($1, 2)", run)
	violated("succeeded with 2 effects")
	exec("delete from effects where run_id = $1", run)
	violated("succeeded with 0 effects")
	exec("insert into effects values ($1, 1)", run)

	stranger := uuid.New()
	exec("insert into effects values ($1, 1)", stranger)
	violated("effect of an unknown run")
	exec("delete from effects where run_id = $1", stranger)

	if err := s.pool.QueryRow(ctx, "select id from oprun.operation_run_deliveries limit 1").Scan(&join); err != nil {
		t.Fatal(err)
	}
	exec("create table kept as select * from oprun.operation_run_deliveries where id = $1", join)
	exec("delete from oprun.operation_run_deliveries where id = $1", join)
	violated("was lost")
	exec("insert into oprun.operation_run_deliveries select * from kept")
	exec("update oprun.operation_run_deliveries set run_id = $2 where id = $1", join, stranger)
	violated("joined an unknown run")
	exec("update oprun.operation_run_deliveries d set run_id = k.run_id from kept k where d.id = k.id")

	exec("update oprun.operation_runs set outcome = 'failed' where id = $1", run)
	violated("failed with 1 effects")
	exec("update oprun.operation_runs set outcome = 'succeeded' where id = $1", run)
	violated("")
}
