package oprun

import (
	"flag"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"oprun.example/internal/devstack"
)

// How large the ledger of BenchmarkStats is.
var (
	benchFinished = flag.Int("finished", 500_000, "BenchmarkStats: runs that have ended")
	benchActive   = flag.Int("active", 100_000, "BenchmarkStats: active runs")
)

// BenchmarkStats reads the figures of a ledger that keeps very many runs. One op is what a scrape costs, at most once in
// ten seconds:
//
//	go test -run '^$' -bench Stats -benchtime 30x ./pkg/oprun -finished 10000000 -active 100000
func BenchmarkStats(b *testing.B) {
	text, err := os.ReadFile("testdata/runs_for_figures.sql")
	must(b, err)
	s := benchScene(b, devstack.PostgresConfig{SharedBuffers: "512MB", Settings: map[string]string{"max_wal_size": "8GB"}})
	s.exec(strings.NewReplacer("$FINISHED", strconv.Itoa(*benchFinished), "$ACTIVE", strconv.Itoa(*benchActive)).Replace(string(text)))
	s.exec("vacuum oprun.operation_runs")
	var slowest time.Duration
	for b.Loop() {
		began := time.Now()
		stats, err := s.Stats(b.Context())
		must(b, err)
		slowest = max(slowest, time.Since(began))
		active := 0
		for _, a := range stats.Active {
			active += a.Runs
		}
		if active != *benchActive {
			b.Fatalf("%d runs are active, want %d", active, *benchActive)
		}
	}
	b.ReportMetric(float64(slowest.Microseconds())/1000, "ms-slowest")
}
