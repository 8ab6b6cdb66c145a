package oprun

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"oprun.example/internal/devstack"
	"oprun.example/migrations"
)

func TestOpen(t *testing.T) {
	t.Parallel()
	t.Run("a_database_without_the_schema_is_refused", func(t *testing.T) {
		t.Parallel()
		pool := poolOn(t, devstack.EmptyDatabase(t), nil)
		refused(t, pool, SchemaError{Want: SchemaVersion}, "consumer migrate up")
	})
	t.Run("a_newer_schema_is_refused", func(t *testing.T) {
		t.Parallel()
		pool := devstack.Pool(t)
		_, err := pool.Exec(t.Context(), "insert into oprun.schema_migrations (version, name) values (9999, 'later')")
		must(t, err)
		refused(t, pool, SchemaError{Want: SchemaVersion, Got: 9999}, "update the program")
	})
	t.Run("an_older_schema_is_refused", func(t *testing.T) {
		t.Parallel()
		pool := devstack.Pool(t)
		_, err := pool.Exec(t.Context(), "delete from oprun.schema_migrations")
		must(t, err)
		refused(t, pool, SchemaError{Want: SchemaVersion}, "consumer migrate up")
	})
	t.Run("the_latest_schema_is_ours", func(t *testing.T) {
		t.Parallel()
		latest, err := migrations.Latest()
		must(t, err)
		same(t, "version", latest, SchemaVersion)
		must(t, newScene(t).CheckSchema(t.Context()))
	})
	t.Run("what_the_caller_does_with_new_connections_is_done_to_ours", func(t *testing.T) {
		t.Parallel()
		calls := make(chan struct{}, 100)
		pool := poolOn(t, devstack.Database(t), func(cfg *pgxpool.Config) {
			cfg.MinConns, cfg.MinIdleConns = 20, 20
			cfg.AfterConnect = func(context.Context, *pgx.Conn) error {
				calls <- struct{}{}
				return nil
			}
		})
		openLedger(t, pool)
		<-calls
	})
	t.Run("and_does_not_change_what_ours_count_on", func(t *testing.T) {
		t.Parallel()
		pool := poolOn(t, devstack.Database(t), func(cfg *pgxpool.Config) {
			cfg.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
				_, err := conn.Exec(ctx, `set lock_timeout = '1h'; set statement_timeout = '1h'; set default_transaction_isolation = 'serializable';
					set application_name = 'theirs'; set enable_seqscan = on; set enable_hashjoin = on; set enable_mergejoin = on;
					set jit = on; set plan_cache_mode = 'auto'`)
				return err
			}
		})
		s := sceneOn(t, pool)
		got := map[string]string{}
		for name := range laneSettings {
			got[name] = laneSetting(s, name)
		}
		same(t, "settings", laneSettings, got)
		same(t, "what is theirs", "1h", laneSetting(s, "statement_timeout"))
	})
}

// laneSetting is how a setting stands on a connection of the ledger's own.
func laneSetting(s *scene, name string) (value string) {
	s.t.Helper()
	must(s.t, s.db.QueryRow(s.t.Context(), "select current_setting($1)", name).Scan(&value))
	return value
}

// refused opens the ledger and expects this error, with this hint.
func refused(t *testing.T, pool *pgxpool.Pool, want SchemaError, hint string) {
	t.Helper()
	_, err := Open(t.Context(), pool)
	var got *SchemaError
	if !errors.As(err, &got) || !IsSchema(err) || Unavailable(err) || !strings.Contains(err.Error(), hint) {
		t.Fatalf("open: %v", err)
	}
	same(t, "versions", want, *got)
}

// poolOn is a pool of the test's own making, closed after it.
func poolOn(t testing.TB, address string, configure func(*pgxpool.Config)) *pgxpool.Pool {
	t.Helper()
	cfg, err := pgxpool.ParseConfig(address)
	must(t, err)
	if configure != nil {
		configure(cfg)
	}
	pool, err := pgxpool.NewWithConfig(context.Background(), cfg)
	must(t, err)
	t.Cleanup(pool.Close)
	return pool
}

// widePool is a pool that many transactions may share.
func widePool(t testing.TB) *pgxpool.Pool {
	t.Helper()
	return poolOn(t, devstack.Database(t), func(cfg *pgxpool.Config) { cfg.MaxConns = 40 })
}

func TestLanes(t *testing.T) {
	t.Parallel()
	t.Run("handlers_that_have_every_connection_starve_no_heartbeat", func(t *testing.T) {
		t.Parallel()
		s := newScene(t)
		h := s.take(s.delivery("a"))
		for range s.pool.Config().MaxConns {
			s.open()
		}
		same(t, "held", map[uuid.UUID]Extended{h.RunID: {}}, s.extend(h))
		same(t, "verdict", []string{"execute"}, verdicts(s.claim(s.delivery("b"))))
		s.finish(h)
	})
	t.Run("requests_that_wait_for_an_identity_starve_no_heartbeat", func(t *testing.T) {
		t.Parallel()
		s := sceneOn(t, widePool(t))
		h := s.take(s.delivery("a"))
		tx := s.open()
		_, _, err := s.On(tx).EnsureRunWithIdentity(t.Context(), s.request("b"))
		must(t, err)
		group, ctx := errgroup.WithContext(t.Context())
		for range 2 * lanes {
			group.Go(func() error {
				_, _, err := s.EnsureRunWithIdentity(ctx, s.request("b"))
				return err
			})
		}
		s.eventually("all requests wait", func() bool {
			return query[int](s, "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()") == 2*lanes
		})
		same(t, "held", map[uuid.UUID]Extended{h.RunID: {}}, s.extend(h))
		must(t, tx.Commit(t.Context()))
		must(t, group.Wait())
		same(t, "runs", 2, query[int](s, "select count(*) from oprun.operation_runs"))
	})
}

// eventually waits for a fact.
func (s *scene) eventually(what string, fact func() bool) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 30*time.Second)
	defer cancel()
	for !fact() {
		if err := pause(ctx, 5*time.Millisecond); err != nil {
			s.t.Fatalf("%s: %v", what, err)
		}
	}
}
