package jobs

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"oprun.example/internal/devstack"
	"oprun.example/pkg/catalog"
	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
	"oprun.example/pkg/oprun"
)

// stack is one test's own broker and database, with a seeded tenant and an effects table that allows duplicates.
type stack struct {
	t         testing.TB
	nats      *devstack.NATS
	conn      *nats.Conn
	js        jetstream.JetStream
	database  string // its URL
	pool      *pgxpool.Pool
	ledger    *oprun.Ledger
	publisher *events.Publisher
	workspace uuid.UUID
	tenant    uuid.UUID
	topology  events.Topology
	catalog   *catalog.Catalog
	fires     bool // its workers fire schedules; elsewhere a run more would be counted
}

const testType = "test.write"

// The shortest times, for stories of what happens when they end.
const (
	shortLease   = 3 * time.Second
	shortAckWait = 2 * time.Second
)

func newStack(t testing.TB) *stack {
	t.Helper()
	return stackOn(t, devstack.Server(t), devstack.Database(t))
}

// stackOn connects to the broker and the migrated database, applies the topology and seeds.
func stackOn(t testing.TB, server *devstack.NATS, database string, options ...nats.Option) *stack {
	t.Helper()
	ctx := t.Context()
	s := &stack{t: t, nats: server, database: database, topology: events.DefaultTopology()}
	options = append(options, nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond))
	s.conn = must(server.Connect(options...))(t)
	t.Cleanup(s.conn.Close)
	s.js = must(jetstream.New(s.conn))(t)
	must(s.topology.Apply(ctx, s.js, false))(t)
	s.pool, s.ledger = s.openLedger(database)
	workspace, tenant, err := s.ledger.Seed(ctx, "")
	check(t, err)
	s.workspace, s.tenant = workspace.ID, tenant.ExternalID
	s.exec("create table effects (run_id uuid, attempt int)")
	s.publisher = events.NewPublisher(s.js, events.PublisherConfig{})
	s.catalog = testCatalog(t, testJob("key"))
	return s
}

// hurry gives the consumer and the test type the shortest times. Without it no lease and no AckWait ends within a
// test, however slow the machine.
func (s *stack) hurry() {
	s.t.Helper()
	s.topology.AckWait = shortAckWait
	must(s.topology.Apply(s.t.Context(), s.js, false))(s.t)
	s.catalog = testCatalog(s.t, hurriedJob("key"))
}

// openLedger opens the ledger at an address, which may be that of a proxy.
func (s *stack) openLedger(address string) (*pgxpool.Pool, *oprun.Ledger) {
	s.t.Helper()
	pool := must(pgxpool.New(context.Background(), address))(s.t)
	s.t.Cleanup(pool.Close)
	ledger := must(oprun.Open(s.t.Context(), pool))(s.t)
	s.t.Cleanup(ledger.Close)
	return pool, ledger
}

// testJob declares a tenant's job that is tried again soon.
func testJob(identity ...string) catalog.Job {
	return catalog.Job{
		ScopeKind: dedupe.TenantScope, Identity: identity, Timeout: time.Minute,
		Retry: catalog.Retry{MaxAttempts: 3, Initial: 10 * time.Millisecond, Max: 50 * time.Millisecond},
	}
}

func hurriedJob(identity ...string) catalog.Job {
	job := testJob(identity...)
	job.Lease = shortLease
	return job
}

// testCatalog declares the test type alone.
func testCatalog(t testing.TB, job catalog.Job) *catalog.Catalog {
	t.Helper()
	return must(catalog.New(catalog.Catalog{Jobs: map[string]catalog.Job{testType: job}}, nil))(t)
}

// worker is a running worker and its metrics.
type worker struct {
	*Worker
	registry *prometheus.Registry
	cancel   context.CancelFunc
	result   chan error // of Run
	stopOnce sync.Once
	err      error
}

// start runs a worker until the test ends or it is stopped.
func (s *stack) start(mux *Mux, config Config) *worker {
	s.t.Helper()
	return s.startOn(s.js, s.ledger, mux, config)
}

// startOn is start on other connections than the stack's own.
func (s *stack) startOn(js jetstream.JetStream, ledger *oprun.Ledger, mux *Mux, config Config) *worker {
	s.t.Helper()
	registry := prometheus.NewRegistry()
	config.Registry = registry
	config.NoSchedules = !s.fires
	if config.Logger == nil {
		config.Logger = slog.New(slog.NewTextHandler(s.t.Output(), nil))
	}
	w := &worker{Worker: must(NewWorker(js, ledger, s.catalog, mux, config))(s.t), registry: registry, result: make(chan error, 1)}
	var ctx context.Context
	ctx, w.cancel = context.WithCancel(context.Background())
	go func() { w.result <- w.Run(ctx) }()
	s.t.Cleanup(func() { check(s.t, w.stop()) })
	return w
}

// stop asks the worker to stop and returns what its Run returned.
func (w *worker) stop() error {
	w.stopOnce.Do(func() {
		w.cancel()
		w.err = <-w.result
	})
	return w.err
}

// publish sends one job of the tenant's and returns the id of the run that it would create.
func (s *stack) publish(input string, change ...func(*events.Request)) uuid.UUID {
	s.t.Helper()
	request := s.request(input, change...)
	ack := must(s.publisher.Publish(s.t.Context(), request))(s.t)
	return runOf(request, ack)
}

// publishAll sends many jobs without waiting for each, and returns the ids of the runs that they would create.
func (s *stack) publishAll(inputs []string) []uuid.UUID {
	s.t.Helper()
	requests, pending := make([]events.Request, len(inputs)), make([]*events.Pending, len(inputs))
	for i, input := range inputs {
		requests[i] = s.request(input)
		pending[i] = must(s.publisher.PublishAsync(s.t.Context(), requests[i]))(s.t)
	}
	runs := make([]uuid.UUID, len(inputs))
	for i, p := range pending {
		runs[i] = runOf(requests[i], must(p.Wait(s.t.Context()))(s.t))
	}
	return runs
}

func (s *stack) request(input string, change ...func(*events.Request)) events.Request {
	request := events.Request{
		Identity: dedupe.Identity{Scope: dedupe.Tenant(s.tenant), Type: testType}, Input: []byte(input), MsgID: uuid.NewString(),
	}
	for _, f := range change {
		f(&request)
	}
	return request
}

func runOf(request events.Request, ack events.Ack) uuid.UUID {
	return dedupe.ByRequest(ack.RequestID, time.Time{}).RunID(request.Identity.Scope, request.Identity.Type)
}

// settled waits until the ledger holds n completed runs and none active.
func (s *stack) settled(n int) {
	s.t.Helper()
	s.eventually("all runs to end", func() bool {
		return s.count("select count(*) from oprun.operation_runs where completed_at is not null") == n &&
			s.count("select count(*) from oprun.operation_runs where completed_at is null") == 0
	})
}

// acknowledged waits until the consumer has no message left, neither pending nor unacknowledged.
func (s *stack) acknowledged() {
	s.t.Helper()
	s.eventually("all messages to be acknowledged", func() bool {
		info := s.consumer()
		return info.NumPending == 0 && info.NumAckPending == 0
	})
}

func (s *stack) consumer() *jetstream.ConsumerInfo {
	s.t.Helper()
	consumer := must(s.js.Consumer(s.t.Context(), s.topology.Stream, s.topology.Consumer))(s.t)
	return consumer.CachedInfo()
}

func (s *stack) run(id uuid.UUID) oprun.Run {
	s.t.Helper()
	return must(s.ledger.Run(s.t.Context(), id))(s.t)
}

// attempts returns the results of a run's recorded attempts, oldest first.
func (s *stack) attempts(id uuid.UUID) (results []oprun.AttemptResult) {
	s.t.Helper()
	for _, a := range must(s.ledger.Attempts(s.t.Context(), id))(s.t) {
		results = append(results, a.Result)
	}
	return results
}

func (s *stack) count(query string, args ...any) (n int) {
	s.t.Helper()
	check(s.t, s.pool.QueryRow(s.t.Context(), query, args...).Scan(&n))
	return n
}

func (s *stack) exec(statement string, args ...any) {
	s.t.Helper()
	must(s.pool.Exec(s.t.Context(), statement, args...))(s.t)
}

// wantOneEffectEach fails the test unless each of these runs has succeeded with one effect (I2).
func (s *stack) wantOneEffectEach(runs ...uuid.UUID) {
	s.t.Helper()
	rows := must(s.pool.Query(s.t.Context(), `select r.id, r.outcome, (select count(*) from effects e where e.run_id = r.id)
		from unnest($1::uuid[]) want(id) left join oprun.operation_runs r using (id)`, runs))(s.t)
	var id uuid.UUID
	var outcome *oprun.Outcome // nil: no such run
	var effects, seen int
	must(pgx.ForEachRow(rows, []any{&id, &outcome, &effects}, func() error {
		switch seen++; {
		case outcome == nil:
			s.t.Errorf("there is no run %s", id)
		case *outcome != oprun.Succeeded || effects != 1:
			s.t.Errorf("run %s has %s with %d effects, want succeeded with 1", id, *outcome, effects)
		}
		return nil
	}))(s.t)
	if total := s.count("select count(*) from effects"); seen != len(runs) || total != len(runs) {
		s.t.Errorf("%d effects of %d runs, want one effect each of %d", total, seen, len(runs))
	}
}

// eventually polls a fact under a deadline.
func (s *stack) eventually(what string, fact func() bool) {
	s.t.Helper()
	const patience = 45 * time.Second
	deadline := time.After(patience)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !fact() {
		select {
		case <-deadline:
			s.t.Fatalf("waited %s for %s", patience, what)
		case <-tick.C:
		}
	}
}

func must[T any](value T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		check(t, err)
		return value
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
