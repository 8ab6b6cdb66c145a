package demo

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"oprun.example/internal/devstack"
	"oprun.example/migrations"
	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
	"oprun.example/pkg/oprun"
)

// Config is how large the demo is, and where it speaks.
type Config struct {
	Jobs     int             // messages to publish, a fifth of them duplicates
	Out      io.Writer       // the table
	Progress func(string)    // a line that replaces the one before; nil: none
	Self     func() []string // the command line that runs Worker in a process of its own

	inspect func(*stage, *book) // looks on before the audit, in tests of it
}

// Timing of the demo's stream and leases: short, so that a killed consumer's jobs come back within seconds.
const (
	ackWait  = 5 * time.Second
	lease    = 3 * time.Second
	patience = 3 * time.Minute // without any progress
)

// stage is where the demo plays: the servers, one tenant, and what stands outside of both.
type stage struct {
	pool   *pgxpool.Pool
	ledger *oprun.Ledger
	js     jetstream.JetStream
	tenant uuid.UUID
	shop   *shop  // the receiver of the http jobs
	dir    string // where the exec jobs leave their effects
	env    []string
}

// Run plays the demo and returns nil when every accepted request has exactly one effect, or a recorded delivery that
// names the run it joined, and nothing is left active.
func Run(ctx context.Context, config Config) (err error) {
	stack, err := devstack.Start(ctx, devstack.Config{})
	if err != nil {
		return err
	}
	defer func() { err = firstOf(err, stack.Close()) }()
	s, closeStage, err := setStage(ctx, stack)
	if err != nil {
		return err
	}
	defer closeStage()

	consumers, err := startTwo(ctx, config.Self, s.env)
	if err != nil {
		return err
	}
	defer consumers.stop()
	start := time.Now()
	book, err := s.publish(ctx, config)
	if err != nil {
		return err
	}
	if err := s.watch(ctx, config, book, consumers); err != nil {
		return err
	}
	took := time.Since(start)
	consumers.stop()
	if config.inspect != nil {
		config.inspect(s, book)
	}
	audit, err := s.audit(ctx, book)
	if err != nil {
		return err
	}
	return audit.report(config.Out, consumers, took)
}

// setStage migrates, applies the topology, seeds, and opens the shop and the folder for effects outside the ledger.
func setStage(ctx context.Context, stack *devstack.Stack) (s *stage, done func(), err error) {
	var closers []func()
	done = func() {
		for i := len(closers) - 1; i >= 0; i-- {
			closers[i]()
		}
	}
	defer func() {
		if err != nil {
			done()
		}
	}()
	s = &stage{}
	if s.pool, err = pgxpool.New(ctx, stack.DatabaseURL()); err != nil {
		return nil, nil, err
	}
	closers = append(closers, s.pool.Close)
	if err := s.migrate(ctx); err != nil {
		return nil, nil, err
	}
	if s.ledger, err = oprun.Open(ctx, s.pool); err != nil {
		return nil, nil, err
	}
	closers = append(closers, s.ledger.Close)
	_, tenant, err := s.ledger.Seed(ctx, "")
	if err != nil {
		return nil, nil, err
	}
	s.tenant = tenant.ExternalID

	conn, err := nats.Connect(stack.NATS.URL())
	if err != nil {
		return nil, nil, err
	}
	closers = append(closers, conn.Close)
	if s.js, err = jetstream.New(conn); err != nil {
		return nil, nil, err
	}
	topology := events.DefaultTopology()
	topology.AckWait = ackWait
	if _, err = topology.Apply(ctx, s.js, false); err != nil {
		return nil, nil, err
	}
	if s.shop, err = openShop(s.pool); err != nil {
		return nil, nil, err
	}
	closers = append(closers, s.shop.close)
	if s.dir, err = os.MkdirTemp("", "oprun-demo-"); err != nil {
		return nil, nil, err
	}
	closers = append(closers, func() { _ = os.RemoveAll(s.dir) })
	s.env = append(stack.Env(), shopEnv+"="+s.shop.url(), dirEnv+"="+s.dir)
	return s, done, nil
}

// migrate makes the ledger's schema and the demo's own tables. Effects has no unique constraint: a second effect
// would be there to be seen.
func (s *stage) migrate(ctx context.Context) error {
	return s.pool.AcquireFunc(ctx, func(c *pgxpool.Conn) error {
		if _, err := migrations.Up(ctx, c.Conn()); err != nil {
			return err
		}
		_, err := c.Exec(ctx, `create table effects (run_id uuid not null, attempt integer not null);
create table orders (idempotency_key text primary key)`)
		return err
	})
}

// watch waits until every run has ended, kills a consumer on the way, and starts another in its place.
func (s *stage) watch(ctx context.Context, config Config, book *book, consumers *consumers) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	best, since := -1, time.Now()
	for killed := false; ; {
		ended, active, err := s.progress(ctx)
		if err != nil {
			return err
		}
		if ended > best {
			best, since = ended, time.Now()
		}
		if config.Progress != nil {
			config.Progress(fmt.Sprintf("%d of %d runs ended, %d active", ended, book.runs, active))
		}
		switch {
		case ended >= book.runs && active == 0 && book.recorded(ctx, s) && s.drained(ctx):
			return nil
		case time.Since(since) > patience:
			return fmt.Errorf("no progress for %s: %d of %d runs ended, %d active", patience, ended, book.runs, active)
		case !killed && ended >= book.runs*2/5:
			killed = true
			if err := consumers.killOneAndStartAnother(ctx); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}

func (s *stage) progress(ctx context.Context) (ended, active int, err error) {
	err = s.pool.QueryRow(ctx, `select count(*) filter (where completed_at is not null), count(*) filter (where completed_at is null)
from oprun.operation_runs`).Scan(&ended, &active)
	return ended, active, err
}

// drained tells whether the consumer has nothing left to deliver or to be acknowledged.
func (s *stage) drained(ctx context.Context) bool {
	topology := events.DefaultTopology()
	consumer, err := s.js.Consumer(ctx, topology.Stream, topology.Consumer)
	if err != nil {
		return false
	}
	info := consumer.CachedInfo()
	return info.NumPending == 0 && info.NumAckPending == 0
}

func (s *stage) scope() dedupe.Scope { return dedupe.Tenant(s.tenant) }

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
