package jobstest

import (
	"context"
	"io"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"oprun.example/internal/rig"
	"oprun.example/pkg/catalog"
	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
	"oprun.example/pkg/jobs"
	"oprun.example/pkg/oprun"
)

// Config is what a bench may be told. The zero value works: servers of the bench's own.
type Config struct {
	// Migrate makes the tables that the handlers use, when the ledger's schema is there. Default: none.
	Migrate func(ctx context.Context, conn *pgx.Conn) error

	// DatabaseURL is a database of yours that tests may use, and Pool is one that is open already. The bench brings the
	// ledger's schema up to date there, works in a workspace of its own, and clears that up after the test. Benches on one
	// database take turns, whatever process they are in. A ledger with runs of others is refused: it may be a real one.
	// Default: a database of the test's own in a private Postgres, which all tests of the process share.
	DatabaseURL string
	Pool        *pgxpool.Pool

	// NATS is a connection to a server of yours, on which the bench makes a stream of its own, with subjects of its own,
	// and deletes it after the test. Default: a server inside this process, with the stream JOBS.
	NATS *nats.Conn

	// Logger is that of the workers. Default: one that writes warnings to the test's output, if it has one.
	Logger *slog.Logger

	// Patience is how long anything may take before the test fails. Default 1m.
	Patience time.Duration
}

// Bench is a ledger, a stream and workers on them that start, die and freeze as a test wants it. Its methods fail the test
// when they cannot do what they are for, and are for the test's own goroutine.
//
// The catalogue's leases are 10 minutes on a bench, and AckWait 30 seconds: they end when the bench says so, and so do the
// waits between retries. So nothing depends on how fast the machine is, and nothing waits.
type Bench struct {
	Pool       *pgxpool.Pool    // the database, for what a test wants to know of it, and for handlers that read beside their Commit
	Ledger     *oprun.Ledger    // on it
	Conn       *nats.Conn       // to the server
	Subjects   events.Subjects  // of jobs, for handlers that publish them
	Dispatcher *jobs.Dispatcher // for handlers that dispatch, and for tests
	Tenant     dedupe.Scope     // the scope of jobs that are declared for tenants
	Workspace  dedupe.Scope     // and of those that are declared for workspaces

	t        TB
	ctx      context.Context //nolint:containedctx // of the whole test, which has none that all TBs share
	config   Config
	mux      *jobs.Mux
	catalog  *catalog.Catalog
	js       jetstream.JetStream
	topology events.Topology
	declared map[string]bool // types whose consumer is there
	held     map[string]int  // messages whose workers are held, by type

	processes []*process

	mu      sync.Mutex
	judged  []rig.Judged
	begun   map[uuid.UUID]int  // attempts whose handler was called, by run
	relayed map[uuid.UUID]bool // what relays may publish
}

// New returns a bench for the handlers of this mux, on servers that it may use. The mux is looked at when a job is run:
// handlers that need the bench's Pool or Dispatcher are added after New. All is given back at the end of the test.
func New(t TB, types *catalog.Catalog, mux *jobs.Mux, config Config) *Bench {
	t.Helper()
	if config.Patience == 0 {
		config.Patience = time.Minute
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.NewTextHandler(outputOf(t), &slog.HandlerOptions{Level: slog.LevelWarn}))
	}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	b := &Bench{
		t: t, ctx: ctx, config: config, mux: mux, catalog: patient(types),
		declared: map[string]bool{}, held: map[string]int{}, begun: map[uuid.UUID]int{}, relayed: map[uuid.UUID]bool{},
	}
	b.openDatabase()
	b.openStream()
	b.Dispatcher = jobs.NewDispatcher(b.Ledger, b.catalog, nil, jobs.DispatcherConfig{Stream: b.topology.Stream, Subjects: b.Subjects})
	return b
}

func outputOf(t TB) io.Writer {
	if t, ok := t.(interface{ Output() io.Writer }); ok {
		return t.Output()
	}
	return io.Discard
}

// lease is the longest that a catalogue may declare: on a bench none ends by itself.
const lease = 10 * time.Minute

// patient returns the catalogue with leases that do not end by themselves.
func patient(types *catalog.Catalog) *catalog.Catalog {
	c := *types
	c.Jobs = maps.Clone(types.Jobs)
	for name, job := range c.Jobs {
		job.Lease = lease
		c.Jobs[name] = job
	}
	return &c
}

// scope is that of the bench's jobs of a type.
func (b *Bench) scope(jobType string) dedupe.Scope {
	b.t.Helper()
	job, ok := b.catalog.Jobs[jobType]
	if !ok {
		b.t.Fatalf("jobstest: the catalogue declares no job type %q", jobType)
	}
	if job.ScopeKind == dedupe.WorkspaceScope {
		return b.Workspace
	}
	return b.Tenant
}

// WantEffects fails the test unless the query, which is one for a single number, finds that many.
func (b *Bench) WantEffects(want int, query string, args ...any) {
	b.t.Helper()
	wantEffects(b.ctx, b.t, b.Pool, want, query, args)
}

// wantEffects counts what a database, or one transaction of it, has.
func wantEffects(ctx context.Context, t TB, db oprun.DB, want int, query string, args []any) {
	t.Helper()
	var got int
	switch err := db.QueryRow(ctx, query, args...).Scan(&got); {
	case err != nil:
		t.Fatalf("jobstest: count the effects by %q: %v", query, err)
	case got != want:
		t.Errorf("jobstest: there are %d effects, want %d, by %q %v", got, want, query, args)
	}
}

// eventually waits for a fact, with the bench's patience. What says what was waited for in vain.
func (b *Bench) eventually(fact func() bool, what func() string) {
	b.t.Helper()
	deadline := time.NewTimer(b.config.Patience)
	defer deadline.Stop()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for !fact() {
		select {
		case <-deadline.C:
			b.t.Fatalf("jobstest: waited %s for %s", b.config.Patience, what())
			return
		case <-look.C:
		}
	}
}

// check ends the test after an error of the bench's own.
func (b *Bench) check(doing string, err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatalf("jobstest: %s: %v", doing, err)
	}
}
