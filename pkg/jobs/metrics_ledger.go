package jobs

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"oprun.example/pkg/oprun"
)

// ledgerGauges are figures of the whole ledger, the same from every worker. While the ledger does not answer, all that is
// known is that: the other figures are left out, for the last ones would look as if they were true.
type ledgerGauges struct {
	types  []string // the catalogue's, and unknownType
	figure *cached[ledgerFigures]

	up, active, oldest, problems, due *prometheus.Desc
}

// ledgerFigures are what the ledger answered.
type ledgerFigures struct {
	up    bool
	stats *oprun.Stats // nil: not known
}

// The statuses of active runs.
const (
	statusQueued  = "queued"
	statusRunning = "running"
)

func newLedgerGauges(ledger *oprun.Ledger, types []string, log *slog.Logger) *ledgerGauges {
	return &ledgerGauges{
		types:  append([]string{unknownType}, types...),
		figure: &cached[ledgerFigures]{ask: func(ctx context.Context) ledgerFigures { return askLedger(ctx, ledger, log) }},
		up:     ledgerUp(),
		active: described("ledger_active_runs", fmt.Sprintf("Runs that are queued or running, at most %d of all types.", oprun.MaxActiveStats), "job_type", "status"),
		oldest: described("ledger_oldest_active_run_created_timestamp_seconds",
			"When the oldest active run was created that is not parked; absent when there is none.", "job_type", "status"),
		problems: described("ledger_problem_runs",
			fmt.Sprintf("Runs that somebody should look at: active ones that stand still, and the newest %d of each way to end unwell.", oprun.MaxUnwellStats), "job_type", "problem"),
		due: described("ledger_relay_due_runs", fmt.Sprintf("Queued runs that wait for a relay to publish them now, at most %d.", oprun.MaxDueStats)),
	}
}

func ledgerUp() *prometheus.Desc {
	return described("ledger_up", "Whether the ledger answers, and its schema is this program's.")
}

// LedgerAway returns a gauge that says, as a worker's own does, that the ledger does not answer: for a program that shows
// metrics while it waits for its ledger. It has to be taken out of the registry before NewWorker puts the worker's there.
func LedgerAway() prometheus.Collector { return away{ledgerUp()} }

type away struct{ up *prometheus.Desc }

// Describe implements prometheus.Collector.
func (a away) Describe(descs chan<- *prometheus.Desc) { descs <- a.up }

// Collect implements prometheus.Collector.
func (a away) Collect(metrics chan<- prometheus.Metric) {
	metrics <- prometheus.MustNewConstMetric(a.up, prometheus.GaugeValue, 0)
}

// askLedger asks first whether it answers: a figure that takes too long does not say that it is away.
func askLedger(ctx context.Context, ledger *oprun.Ledger, log *slog.Logger) ledgerFigures {
	if err := ledger.CheckSchema(ctx); err != nil {
		log.Warn("ledger does not answer for metrics", "error", err)
		return ledgerFigures{}
	}
	stats, err := ledger.Stats(ctx)
	if err != nil {
		log.Warn("ledger gives no figures for metrics", "error", err)
		return ledgerFigures{up: true}
	}
	return ledgerFigures{up: true, stats: &stats}
}

// Describe implements prometheus.Collector.
func (g *ledgerGauges) Describe(descs chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{g.up, g.active, g.oldest, g.problems, g.due} {
		descs <- d
	}
}

// Collect implements prometheus.Collector.
func (g *ledgerGauges) Collect(metrics chan<- prometheus.Metric) {
	figures := g.figure.get()
	up := 0.0
	if figures.up {
		up = 1
	}
	metrics <- prometheus.MustNewConstMetric(g.up, prometheus.GaugeValue, up)
	if figures.stats != nil {
		g.collectActive(metrics, figures.stats.Active)
		g.collectProblems(metrics, figures.stats.Problems)
		metrics <- prometheus.MustNewConstMetric(g.due, prometheus.GaugeValue, float64(figures.stats.RelayDue))
	}
}

// byType is the labels of a series: its type, and its status or problem.
type byType struct{ jobType, other string }

// typeOf returns the label of a type of the ledger's, which may know more than this catalogue.
func (g *ledgerGauges) typeOf(jobType string) string {
	if slices.Contains(g.types, jobType) {
		return jobType
	}
	return unknownType
}

func (g *ledgerGauges) collectActive(metrics chan<- prometheus.Metric, active []oprun.ActiveStats) {
	runs, oldest := make(map[byType]int), make(map[byType]time.Time)
	add := func(jobType, status string, n int, since time.Time) {
		key := byType{g.typeOf(jobType), status}
		runs[key] += n
		oldest[key] = older(oldest[key], since)
	}
	for _, a := range active {
		add(a.Type, statusQueued, a.Queued, a.OldestQueued)
		add(a.Type, statusRunning, a.Running, a.OldestRunning)
	}
	for _, jobType := range g.types {
		for _, status := range []string{statusQueued, statusRunning} {
			key := byType{jobType, status}
			metrics <- prometheus.MustNewConstMetric(g.active, prometheus.GaugeValue, float64(runs[key]), jobType, status)
			if since := oldest[key]; !since.IsZero() {
				metrics <- prometheus.MustNewConstMetric(g.oldest, prometheus.GaugeValue, unixSeconds(since), jobType, status)
			}
		}
	}
}

func (g *ledgerGauges) collectProblems(metrics chan<- prometheus.Metric, problems []oprun.ProblemStats) {
	runs := make(map[byType]int)
	for _, p := range problems {
		runs[byType{g.typeOf(p.Type), string(p.Problem)}] += p.Runs
	}
	for _, jobType := range g.types {
		for _, problem := range oprun.Problems() {
			if problem != oprun.NoProblem {
				n := runs[byType{jobType, string(problem)}]
				metrics <- prometheus.MustNewConstMetric(g.problems, prometheus.GaugeValue, float64(n), jobType, string(problem))
			}
		}
	}
}
