package jobs

import (
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
	"oprun.example/pkg/oprun"
)

// look returns what a collector shows that nobody has asked before.
func look(t testing.TB, c prometheus.Collector) *worker {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	check(t, registry.Register(c))
	return &worker{registry: registry}
}

// seriesOf returns the series of a registry, each with its value, as in name{label=value,…}.
func (w *worker) series(t testing.TB) map[string]float64 {
	t.Helper()
	all := make(map[string]float64)
	for _, family := range must(w.registry.Gather())(t) {
		for _, series := range family.GetMetric() {
			var labels []string
			for _, l := range series.GetLabel() {
				labels = append(labels, l.GetName()+"="+l.GetValue())
			}
			all[strings.TrimPrefix(family.GetName(), "oprun_")+"{"+strings.Join(labels, ",")+"}"] = value(series)
		}
	}
	return all
}

func (s *stack) lookAtLedger(ledger *oprun.Ledger) *worker {
	s.t.Helper()
	return look(s.t, newLedgerGauges(ledger, slices.Sorted(maps.Keys(s.catalog.Jobs)), slog.New(slog.NewTextHandler(s.t.Output(), nil))))
}

func TestLedgerGauges(t *testing.T) {
	t.Parallel()

	t.Run("count the runs of the catalogue's types, and all others together", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		s.exec("insert into oprun.job_types (type, label, stale_queued, stale_running) values ($1, '', '1 hour', '1 hour')", testType)
		s.dispatch("queued")
		stale := s.waiting("stale")
		s.stale(stale)
		s.left("running")
		failed, foreign, other := s.dispatch("failed"), s.dispatch("foreign"), s.dispatch("of another type")
		s.exec("update oprun.operation_runs set status = 'completed', outcome = 'failed', due_at = null, completed_at = now() where id = $1", failed)
		s.exec("update oprun.operation_runs set type = 'made.up_' || run_identity_hash::text where id = any($1)", []any{foreign, other})
		seen := s.lookAtLedger(s.ledger)
		for series, want := range map[string]float64{
			"ledger_up{}": 1,
			"ledger_active_runs{job_type=test.write,status=queued}":                                 2,
			"ledger_active_runs{job_type=test.write,status=running}":                                1,
			"ledger_active_runs{job_type=unknown,status=queued}":                                    2,
			"ledger_active_runs{job_type=unknown,status=running}":                                   0,
			"ledger_active_runs{job_type=ops.delete_expired_runs,status=queued}":                    0,
			"ledger_problem_runs{job_type=test.write,problem=active_stale_attention}":               1,
			"ledger_problem_runs{job_type=test.write,problem=terminal_follow_up}":                   1,
			"ledger_problem_runs{job_type=unknown,problem=terminal_follow_up}":                      0,
			"ledger_relay_due_runs{}":                                                               3,
			"ledger_oldest_active_run_created_timestamp_seconds{job_type=test.write,status=queued}": unixSeconds(s.run(stale).CreatedAt),
		} {
			if got, ok := seen.series(t)[series]; !ok || got != want {
				t.Errorf("%s has %v (there: %t), want %v", series, got, ok, want)
			}
		}
		if _, ok := seen.series(t)["ledger_oldest_active_run_created_timestamp_seconds{job_type=unknown,status=running}"]; ok {
			t.Error("there is an oldest run of which there are none")
		}
	})

	t.Run("say no more than that the ledger is away", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		_, ledger := s.openLedger(s.database)
		ledger.Close()
		if diff := cmp.Diff(map[string]float64{"ledger_up{}": 0}, s.lookAtLedger(ledger).series(t)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})

	t.Run("say that a ledger of another schema is not up", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		s.exec("insert into oprun.schema_migrations (version, name) values (99, 'later')")
		if up := s.lookAtLedger(s.ledger).metric(t, "ledger_up"); up != 0 {
			t.Errorf("ledger_up is %v", up)
		}
	})
}

// Whoever may publish, or write rows, cannot make series: there are as many after 10,000 types that nobody declared.
func TestSeriesDoNotGrow(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	w := s.start(writing(), Config{})
	before := slices.Sorted(maps.Keys(w.series(t)))
	s.publish(`{"key":"a"}`)
	const types = 10_000
	for i := range types {
		jobType := fmt.Sprintf("made.up_%d", i)
		check(t, s.conn.Publish(events.Subjects{}.Subject(dedupe.Tenant(s.tenant), jobType), []byte(`{}`)))
	}
	s.exec(`insert into oprun.operation_runs (id, workspace_id, type, run_identity_hash, status, max_attempts, due_at)
		select gen_random_uuid(), $1, 'made.up_' || n, sha256(n::text::bytea), 'queued', 1, 'infinity' from generate_series(1, 10000) n`, s.workspace)
	s.eventually("all to be refused", func() bool { return w.metric(t, "deliveries_total", "job_type=unknown", "verdict=rejected") == types })
	after := w.series(t)
	if n := s.lookAtLedger(s.ledger).metric(t, "ledger_active_runs", "job_type=unknown", "status=queued"); n != types {
		t.Errorf("%v active runs are of unknown types, want %d", n, types)
	}
	maps.DeleteFunc(after, func(series string, _ float64) bool { return absentWithoutCause(series) })
	before = slices.DeleteFunc(before, absentWithoutCause)
	if diff := cmp.Diff(before, slices.Sorted(maps.Keys(after))); diff != "" {
		t.Errorf("series before and after (-before +after):\n%s", diff)
	}
}

// absentWithoutCause tells the series of things that there may be none of.
func absentWithoutCause(series string) bool {
	return strings.HasPrefix(series, "ledger_oldest_active_run_created") || strings.HasPrefix(series, "jetstream_oldest_unclaimed")
}

func TestPoolGauges(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	gauges := newPoolGauges(s.ledger.PoolStat)
	acquires := look(t, gauges).metric(t, "db_pool_acquires_total")
	conn := must(s.pool.Acquire(t.Context()))(t)
	seen := look(t, gauges)
	if acquired, most := seen.metric(t, "db_pool_connections", "state=acquired"), seen.metric(t, "db_pool_max_connections"); acquired != 1 || most != float64(s.pool.Config().MaxConns) {
		t.Errorf("%v connections are in use of %v", acquired, most)
	}
	conn.Release()
	if now := look(t, gauges).metric(t, "db_pool_acquires_total"); now != acquires+1 {
		t.Errorf("the pool has given %v connections, and before one more %v", now, acquires)
	}
}
