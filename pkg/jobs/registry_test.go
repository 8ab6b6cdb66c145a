package jobs

import (
	"slices"
	"strings"
	"testing"

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

// wantCountersEqualRows compares the counters of these workers, taken together, with the rows of the ledger. They are equal when
// no process has died (I12).
func (s *stack) wantCountersEqualRows(workers ...*worker) {
	s.t.Helper()
	sum := func(name string, labels ...string) (n int) {
		for _, w := range workers {
			n += int(w.metric(s.t, name, labels...))
		}
		return n
	}
	for _, outcome := range []string{"succeeded", "partially_succeeded", "blocked", "failed", "cancelled"} {
		rows := s.count("select count(*) from oprun.operation_runs where outcome = $1", outcome)
		if counted := sum("runs_total", "outcome="+outcome); counted != rows {
			s.t.Errorf("%d runs were counted as %s, the ledger has %d", counted, outcome, rows)
		}
	}
	for _, result := range []string{"failed", "timed_out", "panicked", "fenced", "cancelled"} {
		rows := s.count("select count(*) from oprun.operation_run_attempts where result = $1", result)
		if counted := sum("attempts_total", "result="+result); counted != rows {
			s.t.Errorf("%d attempts were counted as %s, the ledger has %d", counted, result, rows)
		}
	}
	// An attempt that succeeds first time leaves no row: its run tells.
	rows := s.count(`select count(*) from oprun.operation_runs where outcome in ('succeeded', 'partially_succeeded')`)
	if counted := sum("attempts_total", "result=succeeded"); counted != rows {
		s.t.Errorf("%d attempts were counted as succeeded, the ledger has %d", counted, rows)
	}
	if counted, rows := sum("dead_letters_total"), s.count("select count(*) from oprun.dead_letters"); counted != rows {
		s.t.Errorf("%d dead letters were counted, the ledger has %d", counted, rows)
	}
}
