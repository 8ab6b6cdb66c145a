package torture

import (
	"context"
	_ "embed"
	"errors"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go/jetstream"

	"oprun.example/internal/devstack"
	"oprun.example/migrations"
	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
	"oprun.example/pkg/oprun"
)

//go:embed schema.sql
var schema string

// stage is what the torture plays on: both servers, the scopes, and the clients' history.
type stage struct {
	postgres *devstack.Postgres
	broker   *broker
	pool     *pgxpool.Pool
	ledger   *oprun.Ledger
	js       jetstream.JetStream
	scopes   map[dedupe.ScopeKind][]dedupe.Scope
	kinds    []kind
	history  *history
	env      []string
	log      io.Writer // what the processes say

	closers []func() error
}

// database is where the ledger is.
const database = "oprun"

// setStage starts the servers and makes them ready: schema, streams, two tenants and a workspace.
func setStage(ctx context.Context, config Config, dir string) (s *stage, err error) {
	s = &stage{kinds: kinds()}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
			s = nil
		}
	}()
	log, err := os.Create(filepath.Join(dir, "processes.log"))
	if err != nil {
		return s, err
	}
	s.log = log
	s.closers = append(s.closers, log.Close)
	if s.history, err = openHistory(filepath.Join(dir, "history.ndjson")); err != nil {
		return s, err
	}
	s.closers = append(s.closers, s.history.file.Close)
	if err := s.startServers(ctx, config, dir); err != nil {
		return s, err
	}
	if err := s.connect(ctx); err != nil {
		return s, err
	}
	s.env = []string{"DATABASE_URL=" + s.postgres.URL(database), "NATS_URL=" + s.broker.url(), "NATS_CREDS="}
	return s, s.seed(ctx)
}

func (s *stage) startServers(ctx context.Context, config Config, dir string) (err error) {
	if s.broker, err = newBroker(config.Self(NATSPart), filepath.Join(dir, "jetstream"), s.log); err != nil {
		return err
	}
	s.closers = append(s.closers, func() error { s.broker.stop(); return nil })
	if err := s.broker.start(ctx); err != nil {
		return err
	}
	// No fsync: what is killed here are processes, and the kernel keeps their pages.
	if s.postgres, err = devstack.StartPostgres(ctx, devstack.PostgresConfig{MaxConnections: 300}); err != nil {
		return err
	}
	s.closers = append(s.closers, s.postgres.Close)
	return s.postgres.CreateDatabase(ctx, database)
}

func (s *stage) connect(ctx context.Context) error {
	config, err := pgxpool.ParseConfig(s.postgres.URL(database))
	if err != nil {
		return err
	}
	config.MaxConns = 32
	if s.pool, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		return err
	}
	s.closers = append(s.closers, func() error { s.pool.Close(); return nil })
	err = s.pool.AcquireFunc(ctx, func(c *pgxpool.Conn) error {
		if _, err := migrations.Up(ctx, c.Conn()); err != nil {
			return err
		}
		_, err := c.Exec(ctx, schema)
		return err
	})
	if err != nil {
		return err
	}
	if s.ledger, err = oprun.Open(ctx, s.pool); err != nil {
		return err
	}
	s.closers = append(s.closers, func() error { s.ledger.Close(); return nil })
	conn, err := connect(s.broker.url())
	if err != nil {
		return err
	}
	s.closers = append(s.closers, func() error { conn.Close(); return nil })
	if s.js, err = jetstream.New(conn); err != nil {
		return err
	}
	for _, topology := range topologies() {
		if err := s.apply(ctx, topology); err != nil {
			return err
		}
	}
	return nil
}

func (s *stage) apply(ctx context.Context, topology events.Topology) error {
	_, err := topology.Apply(ctx, s.js, false)
	return err
}

func (s *stage) seed(ctx context.Context) error {
	workspace, _, err := s.ledger.AddWorkspace(ctx, "torture")
	if err != nil {
		return err
	}
	s.scopes = map[dedupe.ScopeKind][]dedupe.Scope{dedupe.WorkspaceScope: {dedupe.Workspace(workspace.ID)}}
	for _, label := range []string{"one", "two"} {
		tenant, _, err := s.ledger.AddTenant(ctx, workspace.ID, label)
		if err != nil {
			return err
		}
		s.scopes[dedupe.TenantScope] = append(s.scopes[dedupe.TenantScope], dedupe.Tenant(tenant.ExternalID))
	}
	return nil
}

// close gives everything back, in reverse.
func (s *stage) close() error {
	var errs []error
	for i := len(s.closers) - 1; i >= 0; i-- {
		errs = append(errs, s.closers[i]())
	}
	s.closers = nil
	return errors.Join(errs...)
}

// pending counts what the streams' consumers have yet to deliver or to hear of.
func (s *stage) pending(ctx context.Context) (n uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	for _, topology := range topologies() {
		consumer, err := s.js.Consumer(ctx, topology.Stream, topology.Consumer)
		if err != nil {
			return 0, err
		}
		info := consumer.CachedInfo()
		n += info.NumPending + uint64(info.NumAckPending)
	}
	return n, nil
}

func (s *stage) progress(ctx context.Context) (ended, active int, err error) {
	err = s.pool.QueryRow(ctx, `select count(*) filter (where completed_at is not null), count(*) filter (where completed_at is null)
from oprun.operation_runs`).Scan(&ended, &active)
	return ended, active, err
}
