package jobs

import (
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	"oprun.example/pkg/events"
	"oprun.example/pkg/oprun"
)

// Config is what a worker may be told. The zero value works.
type Config struct {
	Stream       string                // default JOBS
	Consumer     string                // the durable; default oprun, or the one of these Types (events.Topology.For)
	Subjects     events.Subjects       // default prefix: jobs
	Types        []string              // run these types only; empty: all that the catalogue declares
	Concurrency  int                   // messages in hand at once, running handlers among them; default 1024
	DrainTimeout time.Duration         // how long running handlers may go on after a stop; default 25s
	Poll         time.Duration         // how often relay and sweeper look; default 200ms
	Retention    time.Duration         // how long the ledger keeps runs that have ended; default 90 days
	Workspace    string                // home of system runs, by id or name; default the seeded one
	NoSchedules  bool                  // leave it to other workers to fire schedules
	NoEvents     bool                  // tell nobody over core NATS of runs that have ended
	Adapters     map[string]Adapter    // what domains know of runs, by job type, for housekeeping; default none
	AuditEvery   time.Duration         // how often to compare stream and ledger, message by message; default 10m, negative: never
	Worker       uuid.UUID             // shown as claimed_by; default a random one
	Registry     prometheus.Registerer // default: one of its own
	Logger       *slog.Logger          // default slog.Default()

	// TracerProvider makes a span of each attempt (docs/tracing.md). Default: none are made, at no cost.
	TracerProvider trace.TracerProvider
}

func (c Config) withDefaults() Config {
	topology := events.DefaultTopology().For(c.Types...)
	c.Stream = orDefault(c.Stream, topology.Stream)
	c.Consumer = orDefault(c.Consumer, topology.Consumer)
	c.Concurrency = orDefault(c.Concurrency, 1024)
	c.DrainTimeout = orDefault(c.DrainTimeout, 25*time.Second)
	c.Workspace = orDefault(c.Workspace, oprun.SeedWorkspace)
	c.Poll = orDefault(c.Poll, 200*time.Millisecond)
	c.Retention = orDefault(c.Retention, 90*24*time.Hour)
	c.AuditEvery = orDefault(c.AuditEvery, 10*time.Minute)
	c.Worker = orDefault(c.Worker, uuid.New())
	if c.Registry == nil {
		c.Registry = prometheus.NewRegistry()
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c
}

func orDefault[T comparable](value, standard T) T {
	var zero T
	if value == zero {
		return standard
	}
	return value
}
