package jobstest

import (
	"context"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"oprun.example/internal/devstack"
	"oprun.example/migrations"
	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
	"oprun.example/pkg/oprun"
)

// workspace is the one in which all benches of a database work.
const workspace = "jobstest"

// turnPatience is how long other benches may use a database before this one gives up.
const turnPatience = 10 * time.Minute

// openDatabase has the ledger and the user's tables ready.
func (b *Bench) openDatabase() {
	b.t.Helper()
	var err error
	b.Pool = b.config.Pool
	theirs := b.Pool != nil || b.config.DatabaseURL != ""
	if b.Pool == nil {
		address := b.config.DatabaseURL
		if address == "" {
			address = devstack.Database(b.t)
		}
		b.Pool, err = pgxpool.New(b.ctx, address)
		b.check("open the database", err)
		b.t.Cleanup(b.Pool.Close)
	}
	if theirs {
		b.takeTurn()
	}
	b.migrate(theirs)
	b.Ledger, err = oprun.Open(b.ctx, b.Pool)
	b.check("open the ledger", err)
	b.t.Cleanup(b.Ledger.Close)
	if theirs {
		b.clear()
		b.t.Cleanup(b.clear)
	}
	home, _, err := b.Ledger.AddWorkspace(b.ctx, workspace)
	b.check("make a workspace", err)
	tenant, _, err := b.Ledger.AddTenant(b.ctx, home.ID, workspace)
	b.check("make a tenant", err)
	b.Workspace, b.Tenant = dedupe.Workspace(home.ID), dedupe.Tenant(tenant.ExternalID)
}

// takeTurn waits until no other bench uses the database, and keeps others from it until the end of the test.
func (b *Bench) takeTurn() {
	b.t.Helper()
	conn, err := pgx.ConnectConfig(b.ctx, b.Pool.Config().ConnConfig)
	b.check("connect to the database", err)
	b.t.Cleanup(func() { _ = conn.Close(context.Background()) })
	ctx, cancel := context.WithTimeout(b.ctx, turnPatience)
	defer cancel()
	_, err = conn.Exec(ctx, takeTurnSQL)
	b.check("wait for the other benches on this database", err)
}

// migrate makes the ledger's schema and the user's tables. A ledger that may be a real one is not even brought up to date.
func (b *Bench) migrate(theirs bool) {
	b.t.Helper()
	conn, err := b.Pool.Acquire(b.ctx)
	b.check("connect to the database", err)
	defer conn.Release()
	if version, err := migrations.Version(b.ctx, conn.Conn()); theirs && (err != nil || version > 0) {
		b.check("look at the ledger", err)
		b.refuseRealLedger(b.ctx, conn)
	}
	_, err = migrations.Up(b.ctx, conn.Conn())
	b.check("migrate the ledger", err)
	if b.config.Migrate != nil {
		b.check("migrate", b.config.Migrate(b.ctx, conn.Conn()))
	}
}

// clear removes what benches have left in the ledger.
func (b *Bench) clear() {
	b.t.Helper()
	ctx := context.WithoutCancel(b.ctx)
	b.refuseRealLedger(ctx, b.Pool)
	_, err := b.Pool.Exec(ctx, clearSQL, workspace)
	b.check("clear the ledger", err)
}

// refuseRealLedger ends the test when others have worked in the ledger.
func (b *Bench) refuseRealLedger(ctx context.Context, db oprun.DB) {
	b.t.Helper()
	var foreign int
	b.check("look for runs of others", db.QueryRow(ctx, foreignSQL, workspace).Scan(&foreign))
	if foreign > 0 {
		b.t.Fatalf("jobstest: the ledger in this database has %d runs that are none of a bench's: give the tests a database of their own", foreign)
	}
}

// openStream has a stream ready.
func (b *Bench) openStream() {
	b.t.Helper()
	var err error
	b.topology = events.DefaultTopology()
	if b.Conn = b.config.NATS; b.Conn == nil {
		b.Conn, err = devstack.Server(b.t).Connect(nats.MaxReconnects(-1))
		b.check("connect to NATS", err)
		b.t.Cleanup(b.Conn.Close)
	} else {
		name := strings.ReplaceAll(uuid.NewString(), "-", "")
		b.topology.Stream = "JOBSTEST_" + name
		b.topology.Subjects = events.Subjects{Prefix: "jobstest_" + name, Events: "jobstest_events_" + name}
	}
	b.Subjects = b.topology.Subjects
	b.js, err = jetstream.New(b.Conn)
	b.check("open JetStream", err)
	_, err = b.topology.Apply(b.ctx, b.js, false)
	b.check("make a stream", err)
	if b.config.NATS != nil {
		b.t.Cleanup(func() {
			b.check("delete the stream", b.js.DeleteStream(context.WithoutCancel(b.ctx), b.topology.Stream))
		})
	}
}

// consumerFor has the consumer for a job type ready: a worker of the bench runs this type alone, so that what a handler
// dispatches waits.
func (b *Bench) consumerFor(jobType string) events.Topology {
	b.t.Helper()
	topology := b.topology.For(jobType)
	if !b.declared[jobType] {
		_, err := topology.Apply(b.ctx, b.js, false)
		b.check("make a consumer", err)
		b.declared[jobType] = true
	}
	return topology
}
