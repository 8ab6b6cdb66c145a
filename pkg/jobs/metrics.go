package jobs

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/oprun"
)

// unknownType labels jobs whose type the catalogue does not declare, so that no sender can make new series.
const unknownType = "unknown"

// What the sweeper does with a run.
const (
	sweepRequeued = "requeued"
	sweepExtended = "extended"
	sweepPromoted = "promoted"
	sweepEnded    = "ended"
)

// Results of a publication.
const (
	publishAccepted   = "accepted"
	publishSuppressed = "suppressed"
	publishError      = "error"
)

// metrics are the worker's own counters. Every series exists from the start, at zero: each label value is of the catalogue,
// or of a closed set of words.
type metrics struct {
	types       map[string]*typeMetrics
	deadLetters map[dedupe.Reason]prometheus.Counter
	reconciled  map[oprun.EndReason]prometheus.Counter
	ops         map[string]opMetrics
	sweeps      *prometheus.CounterVec
	relayed     prometheus.Gauge
	swept       prometheus.Gauge
	housekept   prometheus.Gauge
	audited     prometheus.Gauge
	unaccounted prometheus.Gauge
}

// typeMetrics are the series of one job type, looked up once: a label look-up per job would show in a profile.
type typeMetrics struct {
	deliveries    map[dedupe.Verdict]prometheus.Counter
	runs          map[oprun.Outcome]prometheus.Counter
	durations     map[oprun.Outcome]timing
	attempts      map[oprun.AttemptResult]prometheus.Counter
	published     map[string]prometheus.Counter
	retries       prometheus.Counter
	queueWait     timing
	running       prometheus.Gauge
	droppedCounts prometheus.Counter
}

// opMetrics are the series of one kind of statement.
type opMetrics struct{ batch, duration prometheus.Observer }

// ledgerOps are the kinds of statements that are observed.
var ledgerOps = []string{"bury", "claim", "confirm", "effects", "effects_alone", "extend", "fence", "finish", "requeue"}

// families are the labelled metrics before they are split by type.
type families struct {
	deliveries, runs, attempts, retries, published, deadLetters, reconciled *prometheus.CounterVec
	durations, queueWait, batchSize, queryDuration                          *prometheus.HistogramVec
	running                                                                 *prometheus.GaugeVec
	droppedCounts                                                           prometheus.Counter
}

// secondsBuckets are from a millisecond to an hour.
var secondsBuckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600}

func newMetrics(registry prometheus.Registerer, types []string, free *slots) (*metrics, error) {
	f := families{
		deliveries:    counters("deliveries_total", "Deliveries judged, by verdict.", "job_type", "verdict"),
		runs:          counters("runs_total", "Runs ended, by outcome, counted after the commit.", "job_type", "outcome"),
		attempts:      counters("attempts_total", "Attempts ended, by result.", "job_type", "result"),
		retries:       counters("retries_total", "Runs queued again after a failed attempt.", "job_type"),
		published:     counters("published_messages_total", "Messages published by the relay, by result.", "job_type", "result"),
		deadLetters:   counters("dead_letters_total", "Messages rejected for good, by reason.", "reason"),
		reconciled:    counters("reconciled_runs_total", "Runs ended without a result of an attempt, by reason.", "reason"),
		durations:     histograms("run_duration_seconds", "Time from handler start to the run's end, by outcome.", secondsBuckets, "job_type", "outcome"),
		queueWait:     histograms("queue_wait_seconds", "Time from a job's acceptance to its handler's start.", secondsBuckets, "job_type"),
		batchSize:     histograms("ledger_batch_size", "Rows a ledger statement was asked for.", prometheus.ExponentialBuckets(1, 2, 11), "op"),
		queryDuration: histograms("ledger_query_duration_seconds", "Time a ledger statement took, tries included.", secondsBuckets, "op"),
		running:       gauges("running_attempts", "Handlers running now.", "job_type"),
		droppedCounts: prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: "summary_counts_dropped_total", Help: "Summary counts that were negative or undeclared."}),
	}
	m := &metrics{
		types:       make(map[string]*typeMetrics, len(types)+1),
		deadLetters: make(map[dedupe.Reason]prometheus.Counter),
		reconciled:  make(map[oprun.EndReason]prometheus.Counter),
		ops:         make(map[string]opMetrics, len(ledgerOps)),
		sweeps:      counters("sweeper_actions_total", "Running runs looked at by the sweeper, by action.", "action"),
		relayed:     timestamp("relay_last_success_timestamp_seconds", "When the relay last looked at all due runs, and for six seconds the broker had refused none."),
		swept:       timestamp("sweeper_last_success_timestamp_seconds", "When the sweeper last looked at all late runs."),
		housekept:   timestamp("reconcile_last_success_timestamp_seconds", "When this process last reconciled runs with their domains, all adapters answering."),
		audited:     timestamp("audit_last_success_timestamp_seconds", "When the audit last looked at all messages that the consumer has passed."),
		unaccounted: prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Name: "unaccounted_messages", Help: "Messages that the consumer has passed and the ledger knows nothing of; the same from every worker, at most 1000."}),
	}
	for _, jobType := range append([]string{unknownType}, types...) {
		m.types[jobType] = f.of(jobType)
	}
	for _, reason := range dedupe.Reasons() {
		m.deadLetters[reason] = f.deadLetters.WithLabelValues(reason.String())
	}
	for _, reason := range oprun.EndReasons() {
		m.reconciled[reason] = f.reconciled.WithLabelValues(string(reason))
	}
	for _, op := range ledgerOps {
		m.ops[op] = opMetrics{f.batchSize.WithLabelValues(op), f.queryDuration.WithLabelValues(op)}
	}
	for _, action := range []string{sweepRequeued, sweepExtended, sweepPromoted, sweepEnded} {
		m.sweeps.WithLabelValues(action)
	}
	slotsAvailable := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: namespace, Name: "slots_available", Help: "Messages that could be taken in hand now."},
		func() float64 { return float64(free.available()) })
	return m, register(registry, f.deliveries, f.runs, f.attempts, f.retries, f.published, f.deadLetters, f.reconciled, f.durations, f.queueWait,
		f.running, f.droppedCounts, f.batchSize, f.queryDuration, m.sweeps, m.relayed, m.swept, m.housekept, m.audited, m.unaccounted, slotsAvailable)
}

func register(registry prometheus.Registerer, collectors ...prometheus.Collector) error {
	var errs []error
	for _, c := range collectors {
		errs = append(errs, registry.Register(c))
	}
	return errors.Join(errs...)
}

// of makes every series of one type.
func (f families) of(jobType string) *typeMetrics {
	t := &typeMetrics{
		deliveries: make(map[dedupe.Verdict]prometheus.Counter), runs: make(map[oprun.Outcome]prometheus.Counter),
		durations: make(map[oprun.Outcome]timing), attempts: make(map[oprun.AttemptResult]prometheus.Counter),
		published: make(map[string]prometheus.Counter),
		retries:   f.retries.WithLabelValues(jobType), queueWait: timingOf(f.queueWait, jobType),
		running: f.running.WithLabelValues(jobType), droppedCounts: f.droppedCounts,
	}
	for _, v := range dedupe.Verdicts() {
		t.deliveries[v] = f.deliveries.WithLabelValues(jobType, v.String())
	}
	for _, o := range oprun.Outcomes() {
		t.runs[o] = f.runs.WithLabelValues(jobType, string(o))
		t.durations[o] = timingOf(f.durations, jobType, string(o))
	}
	for _, r := range oprun.AttemptResults() {
		t.attempts[r] = f.attempts.WithLabelValues(jobType, string(r))
	}
	for _, result := range []string{publishAccepted, publishSuppressed, publishError} {
		t.published[result] = f.published.WithLabelValues(jobType, result)
	}
	return t
}

// ofType returns the series of a type that comes from the ledger, which may know more types than this process.
func (m *metrics) ofType(jobType string) *typeMetrics {
	if t := m.types[jobType]; t != nil {
		return t
	}
	return m.types[unknownType]
}

// ledger observes one statement: its batch at once, its time when done is called.
func (m *metrics) ledger(op string, batch int) (done func()) {
	o := m.ops[op]
	o.batch.Observe(float64(batch))
	start := time.Now()
	return func() { o.duration.Observe(time.Since(start).Seconds()) }
}

func (t *typeMetrics) countsDropped(n int) { t.droppedCounts.Add(float64(n)) }

func (t *typeMetrics) publication(duplicate bool, err error) {
	switch {
	case err != nil:
		t.published[publishError].Inc()
	case duplicate:
		t.published[publishSuppressed].Inc()
	default:
		t.published[publishAccepted].Inc()
	}
}
