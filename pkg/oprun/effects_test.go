package oprun

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"oprun.example/internal/devstack"
)

func TestEffects(t *testing.T) {
	t.Parallel()
	scenes(t, map[string]func(s *scene){
		"of_an_attempt_that_has_lost_its_run_are_taken_back": func(s *scene) {
			s.effects()
			d := s.delivery("a")
			first := s.take(d)
			second := s.takeOver(d)
			third := s.takeOver(d)
			for _, lost := range []Hold{first, second, {RunID: uuid.New(), Token: uuid.New(), Attempt: 1}} {
				if err := s.commit(succeeded(lost)); !IsFenced(err) || Unavailable(err) {
					s.t.Errorf("attempt %d: %v", lost.Attempt, err)
				}
			}
			same(s.t, "effects", 0, query[int](s, "select count(*) from effects"))
			must(s.t, s.commit(succeeded(third)))
			same(s.t, "effects", 1, query[int](s, "select count(*) from effects"))
			same(s.t, "connections in use", 0, s.pool.Stat().AcquiredConns())
		},
		"that_commit_refuses_are_taken_back_with_the_end_of_the_run": func(s *scene) {
			s.exec("create table effects (run_id uuid not null, unique (run_id) deferrable initially deferred)")
			h := s.take(s.delivery("a"))
			s.exec("insert into effects values ($1)", h.RunID)
			if err := s.commit(succeeded(h)); !hasCode(err, uniqueViolation) || Unavailable(err) || IsFenced(err) {
				s.t.Errorf("the commit: %v", err)
			}
			same(s.t, "outcome", Pending, s.run(h.RunID).Outcome)
			same(s.t, "connections in use", 0, s.pool.Stat().AcquiredConns())
			s.exec("delete from effects")
			must(s.t, s.commit(succeeded(h)))
		},
		"of_a_cast_that_fails_at_commit_are_not_taken_for_fenced": func(s *scene) {
			s.effects()
			s.exec(`create function fails() returns trigger language plpgsql as $$ begin perform 'oprun: none'::uuid; return null; end $$;
				create constraint trigger fails after insert on effects deferrable initially deferred for each row execute function fails()`)
			if err := s.commit(succeeded(s.take(s.delivery("a")))); !hasCode(err, invalidText) || IsFenced(err) {
				s.t.Errorf("the commit: %v", err)
			}
		},
		"promote_the_follow_up": func(s *scene) {
			s.effects()
			owner, waiting := s.behind("a", 1)
			owner.Follows = true
			must(s.t, s.commit(succeeded(owner)))
			same(s.t, "it waits on", false, s.run(waiting).FollowUp)
		},
		"are_out_of_reach_when_they_have_landed": func(s *scene) {
			tx, err := s.Begin(s.t.Context())
			must(s.t, err)
			must(s.t, tx.Land(s.t.Context(), succeeded(s.take(s.delivery("a")))))
			if _, err := tx.Exec(s.t.Context(), "select 1"); !errors.Is(err, pgx.ErrTxClosed) {
				s.t.Errorf("a statement behind the end: %v", err)
			}
			if err := tx.Land(s.t.Context(), succeeded(s.take(s.delivery("b")))); !errors.Is(err, pgx.ErrTxClosed) {
				s.t.Errorf("a second end: %v", err)
			}
			if err := tx.Rollback(s.t.Context()); !errors.Is(err, pgx.ErrTxClosed) {
				s.t.Errorf("the deferred rollback: %v", err)
			}
			same(s.t, "connections in use", 0, s.pool.Stat().AcquiredConns())
		},
	})
}

// However the caller's pool has its statements described, a fenced attempt is known as one, and its effects are not committed.
func TestEffectsInEveryMode(t *testing.T) {
	t.Parallel()
	for _, mode := range []pgx.QueryExecMode{
		pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeDescribeExec,
		pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol,
	} {
		t.Run(mode.String(), func(t *testing.T) {
			t.Parallel()
			pool := poolOn(t, devstack.Database(t), func(cfg *pgxpool.Config) { cfg.ConnConfig.DefaultQueryExecMode = mode })
			s := sceneOn(t, pool)
			s.effects()
			d := s.delivery("a")
			late := s.take(d)
			now := s.takeOver(d)
			if err := s.commit(succeeded(late)); !IsFenced(err) {
				t.Errorf("the late attempt: %v", err)
			}
			must(t, s.commit(succeeded(now)))
			must(t, s.commit(succeeded(s.take(s.delivery("b")))))
			failed := succeeded(s.take(s.delivery("c")))
			failed.Outcome, failed.Ended, failed.Follows = Failed, AttemptFailed, true
			must(t, s.commit(failed))
			same(t, "effects", 3, query[int](s, "select count(*) from effects"))
		})
	}
}

// counted counts what is written to a connection.
type counted struct {
	net.Conn
	writes atomic.Int64
}

func (c *counted) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(p)
}

// The end of a run and the COMMIT share a round trip.
func TestLandIsOneRoundTrip(t *testing.T) {
	t.Parallel()
	s := sceneOn(t, poolOn(t, devstack.Database(t), func(cfg *pgxpool.Config) {
		cfg.MaxConns = 1
		dial := cfg.ConnConfig.DialFunc
		cfg.ConnConfig.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dial(ctx, network, address)
			return &counted{Conn: conn}, err
		}
	}))
	s.effects()
	must(t, s.commit(succeeded(s.take(s.delivery("a"))))) // the one connection knows the statements now
	tx, err := s.Begin(t.Context())
	must(t, err)
	conn, ours := tx.Conn().PgConn().Conn().(*counted)
	if !ours {
		t.Fatal("it is another connection")
	}
	before := conn.writes.Load()
	must(t, tx.Land(t.Context(), succeeded(s.take(s.delivery("b")))))
	same(t, "round trips", 1, conn.writes.Load()-before)
}
