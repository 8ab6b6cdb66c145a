package oprun

import (
	"flag"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"oprun.example/internal/devstack"
)

// How large the ledger of BenchmarkStats is.
var (
	benchFinished = flag.Int("finished", 200_000, "BenchmarkStats: runs that have ended")
	benchActive   = flag.Int("active", 50_000, "BenchmarkStats: active runs")
)

// BenchmarkStats reads the figures of a ledger that keeps very many runs, with no stale run, one, or only such.
// One op is what a scrape costs, at most once in ten seconds:
//
//	go test -run '^$' -bench Stats -benchtime 30x ./pkg/oprun -finished 10000000 -active 100000
func BenchmarkStats(b *testing.B) {
	text, err := os.ReadFile("testdata/runs_for_figures.sql")
	must(b, err)
	s := benchScene(b, devstack.PostgresConfig{SharedBuffers: "512MB", Settings: map[string]string{"max_wal_size": "8GB"}})
	s.exec(strings.NewReplacer("$FINISHED", strconv.Itoa(*benchFinished), "$ACTIVE", strconv.Itoa(*benchActive)).Replace(string(text)))
	s.exec("vacuum oprun.operation_runs")
	for _, stale := range []struct{ runs, make string }{
		{"none", "update oprun.job_types set stale_queued = '1 day', stale_running = '1 day'"},
		{"one", `update oprun.operation_runs set created_at = now() - interval '1 week', run_at = now() - interval '1 week'
			where id = (select id from oprun.operation_runs where status = 'queued' and type = 'kind.of_0' order by id limit 1)`},
		{"all", "update oprun.job_types set stale_queued = '1 s', stale_running = '1 s'"},
	} {
		s.exec(stale.make)
		b.Run("stale="+stale.runs, func(b *testing.B) { s.readFigures(b) })
	}
}

func (s *scene) readFigures(b *testing.B) {
	b.Helper()
	var times []float64
	for b.Loop() {
		began := time.Now()
		stats, err := s.Stats(b.Context())
		must(b, err)
		times = append(times, float64(time.Since(began).Microseconds())/1000)
		active := 0
		for _, a := range stats.Active {
			active += a.Queued + a.Running
		}
		if active != *benchActive {
			b.Fatalf("%d runs are active, want %d", active, *benchActive)
		}
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(middle(times), "ms")
	b.ReportMetric(slices.Max(times), "ms-slowest")
}
