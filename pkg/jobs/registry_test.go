package jobs

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	dto "github.com/prometheus/client_model/go"
)

// metric returns the value of a series of this worker: the sum of all that have these labels, given as name=value.
// Of a histogram it is the number of observations. A series that does not exist fails the test.
func (w *worker) metric(t testing.TB, name string, labels ...string) float64 {
	t.Helper()
	families, err := w.registry.Gather()
	check(t, err)
	var sum float64
	var found bool
	for _, family := range families {
		for _, series := range family.GetMetric() {
			if family.GetName() == "oprun_"+name && labelled(series, labels) {
				found = true
				sum += value(series)
			}
		}
	}
	if !found {
		t.Fatalf("there is no series oprun_%s{%s}", name, strings.Join(labels, ","))
	}
	return sum
}

func labelled(series *dto.Metric, labels []string) bool {
	return !slices.ContainsFunc(labels, func(want string) bool {
		return !slices.ContainsFunc(series.GetLabel(), func(have *dto.LabelPair) bool {
			return have.GetName()+"="+have.GetValue() == want
		})
	})
}

func value(series *dto.Metric) float64 {
	return series.GetCounter().GetValue() + series.GetGauge().GetValue() + float64(series.GetHistogram().GetSampleCount())
}

// deliveries returns how many deliveries were answered with this verdict.
func (w *worker) deliveries(t testing.TB, verdict string) int {
	t.Helper()
	return int(w.metric(t, "deliveries_total", "verdict="+verdict))
}

// wantCountersEqualRows compares the counters of these workers, taken together, with the rows of the ledger: runs by type and
// outcome, attempts by type and result, dead letters by reason. They are equal when no process has died (I12).
func (s *stack) wantCountersEqualRows(workers ...*worker) {
	s.t.Helper()
	s.wantCounted("runs", "select type, outcome, count(*) from oprun.operation_runs where completed_at is not null group by 1, 2",
		func() map[byType]int { return s.counted("runs_total", "outcome", workers) })
	// An attempt that succeeds first time leaves no row: its run tells. What was abandoned is counted by who finds it.
	s.wantCounted("attempts", `select r.type, a.result, count(*) from oprun.operation_run_attempts a
			join oprun.operation_runs r on r.id = a.run_id where a.result not in ('succeeded', 'abandoned') group by 1, 2
		union all select type, 'succeeded', count(*) from oprun.operation_runs
			where outcome in ('succeeded', 'partially_succeeded') and not context ? 'reconciliation' group by 1`,
		func() map[byType]int { return s.counted("attempts_total", "result", workers, "abandoned") })
	s.wantCounted("dead letters", "select '', reason, count(*) from oprun.dead_letters group by 2",
		func() map[byType]int { return s.counted("dead_letters_total", "reason", workers) })
}

// counted returns the sums of a counter that are not 0, by type and another label, without one value of that.
func (s *stack) counted(name, label string, workers []*worker, without ...string) map[byType]int {
	s.t.Helper()
	sums := make(map[byType]int)
	for _, w := range workers {
		for _, family := range must(w.registry.Gather())(s.t) {
			for _, series := range family.GetMetric() {
				var key byType
				for _, l := range series.GetLabel() {
					switch l.GetName() {
					case "job_type":
						key.jobType = l.GetValue()
					case label:
						key.other = l.GetValue()
					}
				}
				if n := int(value(series)); family.GetName() == "oprun_"+name && n > 0 && !slices.Contains(without, key.other) {
					sums[key] += n
				}
			}
		}
	}
	return sums
}

// rows returns what a statement counts by type and another column; types of which this catalogue knows nothing are unknown.
func (s *stack) rows(statement string) map[byType]int {
	s.t.Helper()
	sums := make(map[byType]int)
	var key byType
	var n int
	must(pgx.ForEachRow(must(s.pool.Query(s.t.Context(), statement))(s.t), []any{&key.jobType, &key.other, &n}, func() error {
		if _, known := s.catalog.Jobs[key.jobType]; !known && key.jobType != "" {
			key.jobType = unknownType
		}
		sums[key] += n
		return nil
	}))(s.t)
	return sums
}

// wantCounted compares what a statement counts with counters. These follow the commits, by a moment.
func (s *stack) wantCounted(what, statement string, counted func() map[byType]int) {
	s.t.Helper()
	const patience = 10 * time.Second
	deadline := time.After(patience)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		diff := cmp.Diff(s.rows(statement), counted(), cmp.AllowUnexported(byType{}))
		if diff == "" {
			return
		}
		select {
		case <-deadline:
			s.t.Errorf("%s (-the ledger +the counters), for %s:\n%s", what, patience, diff)
			return
		case <-tick.C:
		}
	}
}
