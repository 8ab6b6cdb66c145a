package jobs

import (
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
)

// poolGauges tell how the pool fares that the ledger was opened with: a handler's Commit waits for a connection of it.
// What the ledger's own connections make one wait is in ledger_query_duration_seconds.
type poolGauges struct {
	stat func() *pgxpool.Stat

	connections, most, acquires, waited *prometheus.Desc
}

func newPoolGauges(stat func() *pgxpool.Stat) *poolGauges {
	return &poolGauges{
		stat:        stat,
		connections: described("db_pool_connections", "Connections of the pool for handlers' transactions, by state.", "state"),
		most:        described("db_pool_max_connections", "Connections that the pool for handlers' transactions may have."),
		acquires:    described("db_pool_acquires_total", "Times that the pool for handlers' transactions has given a connection."),
		waited:      described("db_pool_acquire_wait_seconds_total", "Time that was waited for a connection of the pool for handlers' transactions while none was idle."),
	}
}

// Describe implements prometheus.Collector.
func (g *poolGauges) Describe(descs chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{g.connections, g.most, g.acquires, g.waited} {
		descs <- d
	}
}

// Collect implements prometheus.Collector.
func (g *poolGauges) Collect(metrics chan<- prometheus.Metric) {
	stat := g.stat()
	for state, n := range map[string]int32{
		"acquired": stat.AcquiredConns(), "constructing": stat.ConstructingConns(), "idle": stat.IdleConns(),
	} {
		metrics <- prometheus.MustNewConstMetric(g.connections, prometheus.GaugeValue, float64(n), state)
	}
	metrics <- prometheus.MustNewConstMetric(g.most, prometheus.GaugeValue, float64(stat.MaxConns()))
	metrics <- prometheus.MustNewConstMetric(g.acquires, prometheus.CounterValue, float64(stat.AcquireCount()))
	metrics <- prometheus.MustNewConstMetric(g.waited, prometheus.CounterValue, stat.EmptyAcquireWaitTime().Seconds())
}
