package jobs

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"oprun.example/pkg/events"
)

const (
	traceID   = "4bf92f3577b34da6a3ce929d0e0e4736"
	recorded  = "00-" + traceID + "-00f067aa0ba902b7-01"
	discarded = "00-" + traceID + "-00f067aa0ba902b7-00"
)

// exemplars returns the trace ids that the histograms of this name point to.
func (w *worker) exemplars(t testing.TB, name string) (traces []string) {
	t.Helper()
	for _, h := range w.histograms(t, name) {
		for _, bucket := range h.GetBucket() {
			for _, label := range bucket.GetExemplar().GetLabel() {
				traces = append(traces, label.GetName()+"="+label.GetValue())
			}
		}
	}
	return traces
}

func (w *worker) histograms(t testing.TB, name string) (all []*dto.Histogram) {
	t.Helper()
	for _, family := range must(w.registry.Gather())(t) {
		for _, series := range family.GetMetric() {
			if h := series.GetHistogram(); h != nil && family.GetName() == "oprun_"+name {
				all = append(all, h)
			}
		}
	}
	return all
}

// The histograms of times point to traces that somebody records, and to no others.
func TestExemplars(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	w := s.start(writing(), Config{})
	s.publish(`{"key":"a"}`, func(r *events.Request) { r.TraceParent = discarded })
	s.publish(`{"key":"b"}`)
	s.settled(2)
	s.eventually("both to be counted", func() bool { return w.metric(t, "run_duration_seconds") == 2 })
	for _, name := range []string{"run_duration_seconds", "queue_wait_seconds"} {
		if traces := w.exemplars(t, name); len(traces) > 0 {
			t.Errorf("%s points to %v", name, traces)
		}
	}
	s.publish(`{"key":"c"}`, func(r *events.Request) { r.TraceParent = recorded })
	s.settled(3)
	s.eventually("the third to be counted", func() bool { return w.metric(t, "run_duration_seconds") == 3 })
	for _, name := range []string{"run_duration_seconds", "queue_wait_seconds"} {
		if traces := w.exemplars(t, name); len(traces) != 1 || traces[0] != "trace_id="+traceID {
			t.Errorf("%s points to %v, want the trace of the third", name, traces)
		}
	}
}

func TestRecordedTrace(t *testing.T) {
	t.Parallel()
	for parent, want := range map[string]string{
		"": "", recorded: traceID, discarded: "",
		"00-" + traceID + "-00f067aa0ba902b7-ff":            traceID,
		"00-" + traceID + "-00f067aa0ba902b7-02":            "",
		"01-" + traceID + "-00f067aa0ba902b7-03-whatever-1": traceID,
	} {
		if got := recordedTrace(parent); got != want {
			t.Errorf("of %q the trace is %q, want %q", parent, got, want)
		}
	}
}

// A job without a trace pays for none.
func TestObservingWithoutATraceAllocatesNothing(t *testing.T) { //nolint:paralleltest // AllocsPerRun counts those of the whole process
	series := timingOf(histograms("tests_seconds", "Times.", secondsBuckets, "job_type"), testType)
	series.observe(time.Second, "")
	for _, parent := range []string{"", discarded} {
		if n := testing.AllocsPerRun(1000, func() { series.observe(time.Second, parent) }); n > 0 {
			t.Errorf("%v allocations for %q", n, parent)
		}
	}
}

// Histograms are classic and native at once.
func TestHistogramsAreOfBothKinds(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	must(newMetrics(registry, []string{testType}, newSlots(1)))(t)
	w := &worker{registry: registry}
	for _, name := range []string{"run_duration_seconds", "queue_wait_seconds", "ledger_batch_size", "ledger_query_duration_seconds"} {
		for _, h := range w.histograms(t, name) {
			if len(h.GetBucket()) < 10 || h.Schema == nil {
				t.Errorf("%s has %d classic buckets, and the schema %v", name, len(h.GetBucket()), h.Schema)
			}
		}
	}
}
