package jobstest_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"oprun.example/internal/devstack"
	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
	"oprun.example/pkg/jobs"
	"oprun.example/pkg/jobs/jobstest"
	"oprun.example/pkg/oprun"
)

// Benches on a database of the user's take turns, and leave nothing of theirs in its ledger.
func TestDatabaseOfTheUsers(t *testing.T) {
	t.Parallel()
	address := devstack.EmptyDatabase(t)
	pool := check(pgxpool.New(t.Context(), address))(t)
	t.Cleanup(pool.Close)
	t.Run("side by side", func(t *testing.T) {
		for _, config := range []jobstest.Config{{DatabaseURL: address}, {Pool: pool}} {
			config.Migrate = orders
			t.Run("", func(t *testing.T) {
				t.Parallel()
				bench := jobstest.New(t, types, confirming(), config)
				run := bench.Crash(jobstest.BeforeCommit, "orders.confirm", seven)
				run.WantSucceeded()
				bench.WantEffects(1, confirmedSeven)
				check(bench.Dispatcher.Dispatch(t.Context(), bench.Tenant, "orders.confirm", seven))(t) // is left behind
			})
		}
	})
	for _, table := range []string{"operation_runs", "operation_run_attempts", "operation_run_deliveries", "tenants"} {
		var n int
		if err := pool.QueryRow(t.Context(), "select count(*) from oprun."+table).Scan(&n); err != nil || n != 0 {
			t.Errorf("%d rows are left in %s (%v)", n, table, err)
		}
	}
}

// A ledger in which others have worked is left alone, also when nothing is active now.
func TestLedgerInUse(t *testing.T) {
	t.Parallel()
	pool := devstack.Pool(t)
	ledger := check(oprun.Open(t.Context(), pool))(t)
	t.Cleanup(ledger.Close)
	_, tenant, err := ledger.Seed(t.Context(), "")
	dispatcher := jobs.NewDispatcher(ledger, types, nil, jobs.DispatcherConfig{})
	run := check(dispatcher.Dispatch(t.Context(), dedupe.Tenant(check(tenant, err)(t).ExternalID), "orders.confirm", seven))(t)
	check(ledger.Cancel(t.Context(), run.ID, "", ""))(t)
	// one of an earlier version, of which a bench might think that it may change it
	check(pool.Exec(t.Context(), "delete from oprun.schema_migrations where version > 1"))(t)
	migrate := func(context.Context, *pgx.Conn) error {
		t.Error("tables were made")
		return nil
	}
	wantFailure(t, func(t jobstest.TB) {
		jobstest.New(t, types, confirming(), jobstest.Config{Pool: pool, Migrate: migrate})
	}, "1 runs that are none of a bench's", "a database of their own")
	var version int
	if err := pool.QueryRow(t.Context(), "select max(version) from oprun.schema_migrations").Scan(&version); err != nil || version != 1 {
		t.Errorf("the ledger was brought to version %d (%v)", version, err)
	}
	if _, err := ledger.Run(t.Context(), run.ID); err != nil {
		t.Error(err)
	}
}

// On a server of the user's a bench has a stream and subjects of its own, beside those that are there.
func TestServerOfTheUsers(t *testing.T) {
	t.Parallel()
	server := check(devstack.StartNATS(devstack.NATSConfig{Port: -1}))(t)
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	conn := check(nats.Connect(server.URL(), nats.ClosedHandler(func(*nats.Conn) {})))(t)
	t.Cleanup(conn.Close)
	js := check(jetstream.New(conn))(t)
	check(events.DefaultTopology().Apply(t.Context(), js, false))(t)
	t.Run("a bench", func(t *testing.T) {
		bench := jobstest.New(t, types, confirming(), jobstest.Config{NATS: conn, Migrate: orders})
		for _, point := range []jobstest.Point{jobstest.BeforeHandler, jobstest.BeforeCommit, jobstest.BeforeAck} {
			bench.Crash(point, "orders.confirm", seven).WantSucceeded()
		}
		bench.Freeze(jobstest.BeforeCommit, "orders.confirm", seven).WantSucceeded()
		bench.WantEffects(4, confirmedSeven)
	})
	for info := range js.ListStreams(context.Background()).Info() {
		if info.Config.Name != events.DefaultTopology().Stream || info.State.LastSeq != 0 {
			t.Errorf("stream %s has %d messages", info.Config.Name, info.State.LastSeq)
		}
	}
}
