package torture

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go/jetstream"

	"oprun.example/migrations"
	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
	"oprun.example/pkg/jobs"
	"oprun.example/pkg/oprun"
)

// world is a ledger and its stream, with two tenants and a workspace. There are two of them. The first takes messages
// and callers' transactions alike. The second takes transactions only, so that its stream carries nothing but what the
// ledger publishes for itself, and may lose everything at any time.
type world struct {
	topology   events.Topology
	pool       *pgxpool.Pool
	ledger     *oprun.Ledger
	dispatcher *jobs.Dispatcher
	scopes     map[dedupe.ScopeKind][]dedupe.Scope
}

func topologies() [2]events.Topology {
	messages := events.DefaultTopology()
	messages.AckWait, messages.Duplicates = ackWait, duplicates
	ledger := messages
	ledger.Stream, ledger.Subjects.Prefix = "LEDGER", "ledger"
	return [2]events.Topology{messages, ledger}
}

// databaseEnv is where a consumer process finds the address of the ledger that belongs to a stream.
func databaseEnv(topology events.Topology) string { return "OPRUN_TORTURE_DATABASE_" + topology.Stream }

// makeWorld makes the ledger at this address, and the stream.
func makeWorld(ctx context.Context, topology events.Topology, url string, js jetstream.JetStream) (w *world, err error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	config.MaxConns = 16
	w = &world{topology: topology, scopes: map[dedupe.ScopeKind][]dedupe.Scope{}}
	if w.pool, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		return nil, err
	}
	if w.ledger, err = w.migrate(ctx); err != nil {
		w.pool.Close()
		return nil, err
	}
	cat, err := newCatalog()
	if err != nil {
		w.close()
		return nil, err
	}
	w.dispatcher = jobs.NewDispatcher(w.ledger, cat, js.Conn(), jobs.DispatcherConfig{Stream: topology.Stream})
	if err := errors.Join(w.seed(ctx), w.apply(ctx, js)); err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

func (w *world) migrate(ctx context.Context) (*oprun.Ledger, error) {
	err := w.pool.AcquireFunc(ctx, func(c *pgxpool.Conn) error {
		if _, err := migrations.Up(ctx, c.Conn()); err != nil {
			return err
		}
		_, err := c.Exec(ctx, schema)
		return err
	})
	if err != nil {
		return nil, err
	}
	return oprun.Open(ctx, w.pool)
}

func (w *world) seed(ctx context.Context) error {
	workspace, _, err := w.ledger.AddWorkspace(ctx, "torture")
	if err != nil {
		return err
	}
	w.scopes[dedupe.WorkspaceScope] = []dedupe.Scope{dedupe.Workspace(workspace.ID)}
	for _, label := range []string{"one", "two"} {
		tenant, _, err := w.ledger.AddTenant(ctx, workspace.ID, label)
		if err != nil {
			return err
		}
		w.scopes[dedupe.TenantScope] = append(w.scopes[dedupe.TenantScope], dedupe.Tenant(tenant.ExternalID))
	}
	return nil
}

func (w *world) apply(ctx context.Context, js jetstream.JetStream) error {
	_, err := w.topology.Apply(ctx, js, false)
	return err
}

func (w *world) close() {
	w.ledger.Close()
	w.pool.Close()
}

// pending counts what the stream's consumer has yet to deliver or to hear of.
func (w *world) pending(ctx context.Context, js jetstream.JetStream) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	consumer, err := js.Consumer(ctx, w.topology.Stream, w.topology.Consumer)
	if err != nil {
		return 0, err
	}
	info := consumer.CachedInfo()
	return info.NumPending + uint64(info.NumAckPending), nil
}

// active counts the runs that have not ended.
func (w *world) active(ctx context.Context) (n int, err error) {
	err = w.pool.QueryRow(ctx, "select count(*) from oprun.operation_runs where due_at is not null").Scan(&n)
	return n, err
}
