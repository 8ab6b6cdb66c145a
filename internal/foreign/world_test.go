package foreign

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"oprun.example/internal/devstack"
	"oprun.example/pkg/catalog"
	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
	"oprun.example/pkg/jobs"
	"oprun.example/pkg/oprun"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(tests{devstack.Tests{M: m}}) }

// tests removes what was built for them.
type tests struct{ devstack.Tests }

func (t tests) Run() int {
	code := t.Tests.Run()
	if err := os.RemoveAll(built.folder); err != nil {
		fmt.Println(err)
		code = max(code, 1)
	}
	return code
}

// patience is how long tests wait for a fact on a crowded machine.
const patience = 2 * time.Minute

// admin is who the world itself is, on a broker that knows users.
const admin = "admin"

// The types of examples/go-producer/jobs.yaml.
const (
	fetchType = "assignments.fetch"
	tidyType  = "assignments.tidy"
)

// root is the project's folder.
const root = "../.."

// world is a broker with a port, a ledger, and a worker between them.
type world struct {
	t         *testing.T
	server    *devstack.NATS
	url       string // of the broker
	database  string // its URL
	js        jetstream.JetStream
	pool      *pgxpool.Pool
	ledger    *oprun.Ledger
	topology  events.Topology
	workspace uuid.UUID
	tenant    uuid.UUID
}

// newWorld starts one, with this change to the stream, if any.
func newWorld(t *testing.T, change ...func(*events.Topology)) *world {
	t.Helper()
	w := stillWorld(t, nil, change...)
	w.work()
	return w
}

// stillWorld is a world in which nobody works.
func stillWorld(t *testing.T, configure func(*server.Options), change ...func(*events.Topology)) *world {
	t.Helper()
	ctx := t.Context()
	broker, err := devstack.StartNATS(devstack.NATSConfig{Port: -1, Configure: configure})
	check(t, err)
	t.Cleanup(func() { check(t, broker.Close()) })
	w := &world{t: t, server: broker, url: broker.URL(), database: devstack.Database(t), topology: events.DefaultTopology()}
	for _, f := range change {
		f(&w.topology)
	}
	conn := must(broker.Connect(nats.UserInfo(admin, admin), nats.MaxReconnects(-1), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})))(t)
	t.Cleanup(conn.Close)
	w.js = must(jetstream.New(conn))(t)
	must(w.topology.Apply(ctx, w.js, false))(t)
	w.pool = must(pgxpool.New(context.Background(), w.database))(t)
	t.Cleanup(w.pool.Close)
	w.ledger = must(oprun.Open(ctx, w.pool))(t)
	t.Cleanup(w.ledger.Close)
	workspace, tenant, err := w.ledger.Seed(ctx, "")
	check(t, err)
	w.workspace, w.tenant = workspace.ID, tenant.ExternalID
	must(w.pool.Exec(ctx, "create table effects (run_id uuid, type text, input jsonb, initiator text, traceparent text, tracestate text)"))(t)
	return w
}

// work runs a worker until the test ends. Each run leaves what the handler saw of its job.
func (w *world) work() {
	w.t.Helper()
	effect := func(ctx context.Context, job *jobs.Job[map[string]any]) error {
		return job.Commit(ctx, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, "insert into effects values ($1, $2, $3, $4, $5, $6)",
				job.RunID, job.Type, job.Input, job.Initiator, job.TraceParent, job.TraceState)
			return err
		})
	}
	mux := &jobs.Mux{}
	jobs.Handle(mux, fetchType, effect)
	jobs.Handle(mux, tidyType, effect)
	declared := must(catalog.Load(filepath.Join(root, "examples/go-producer/jobs.yaml")))(w.t)
	log := slog.New(slog.NewTextHandler(w.t.Output(), nil))
	worker := must(jobs.NewWorker(w.js, w.ledger, declared, mux, jobs.Config{Logger: log, NoSchedules: true}))(w.t)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1) // of Run
	go func() { ended <- worker.Run(ctx) }()
	w.t.Cleanup(func() {
		cancel()
		check(w.t, <-ended)
	})
}

// fetch is the subject of the tenant's job.
func (w *world) fetch() string {
	return events.Subjects{}.Subject(dedupe.Tenant(w.tenant), fetchType)
}

// seen is what a handler saw of one job.
type seen struct {
	RunID                              uuid.UUID
	Initiator, TraceParent, TraceState string
}

// effects are of the runs whose input has this connection.
func (w *world) effects(connection string) []seen {
	w.t.Helper()
	rows := must(w.pool.Query(w.t.Context(),
		"select run_id, initiator, traceparent, tracestate from effects where input->>'connection_id' = $1", connection))(w.t)
	return must(pgx.CollectRows(rows, pgx.RowToStructByPos[seen]))(w.t)
}

// effect waits for the one run whose input has this connection.
func (w *world) effect(connection string) (one seen) {
	w.t.Helper()
	w.eventually("a run for "+connection, func() bool { return len(w.effects(connection)) > 0 })
	all := w.effects(connection)
	if len(all) != 1 {
		w.t.Errorf("%d runs for %s, want 1", len(all), connection)
	}
	return all[0]
}

// settled waits until the consumer has no message left, neither pending nor unacknowledged.
func (w *world) settled() {
	w.t.Helper()
	w.eventually("all messages to be acknowledged", func() bool {
		info := must(must(w.js.Consumer(w.t.Context(), w.topology.Stream, w.topology.Consumer))(w.t).Info(w.t.Context()))(w.t)
		return info.NumPending == 0 && info.NumAckPending == 0
	})
}

func (w *world) count(query string, args ...any) (n int) {
	w.t.Helper()
	check(w.t, w.pool.QueryRow(w.t.Context(), query, args...).Scan(&n))
	return n
}

// place is where and when the stream stored a message.
func (w *world) place(seq uint64) events.Place {
	w.t.Helper()
	return must(events.ReadBack(w.t.Context(), w.js, w.topology.Stream, seq))(w.t).Place()
}

// eventually polls a fact under a deadline.
func (w *world) eventually(what string, fact func() bool) {
	w.t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !fact() {
		select {
		case <-deadline:
			w.t.Fatalf("waited %s for %s", patience, what)
		case <-tick.C:
		}
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
	check(t, err)
	return string(text)
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
