package torture

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"oprun.example/internal/devstack"
)

// TestMain is a part of the torture when the torture under test starts it as one.
func TestMain(m *testing.M) {
	if len(os.Args) != 2 || !strings.HasPrefix(os.Args[1], "torture-") {
		goleak.VerifyTestMain(devstack.Tests{M: m})
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	var err error
	switch os.Args[1] {
	case WorkerPart:
		err = Worker(ctx, os.Stdout, slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})))
	case NATSPart:
		err = ServeNATS(ctx, os.Stdout)
	}
	if err != nil {
		panic(err)
	}
}

// small is a torture that a test has time for.
func small(t *testing.T, out *bytes.Buffer) Config {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return Config{
		Seed: 1, Jobs: 3000, Faults: 10, Gap: 2 * time.Second, Dir: t.TempDir(), Out: out,
		Self: func(part string) []string { return []string{self, part} },
	}
}

func TestRun(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	config := small(t, &out)
	inspected := false
	config.inspect = func(ctx context.Context, s *stage, a *audit) {
		inspected = true
		auditFindsWhatIsBroken(t, tamperer{t, ctx, s, a})
	}
	if err := Run(t.Context(), config); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	if !inspected {
		t.Error("the audit was not tried")
	}
	for _, want := range []string{"3000 asked for", "faults         10:", "lost, doubled  0, 0", "OK: I1 to I13 hold"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the report lacks %q:\n%s", want, out.String())
		}
	}
}
