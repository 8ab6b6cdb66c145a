//go:build failpoint

package crash

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"oprun.example/internal/devstack"
	"oprun.example/migrations"
)

// Postgres is away for this long: many leases and redeliveries. It stands for minutes of the usual times.
const away = 20 * time.Second

// postgresStories crash Postgres and keep it down. Nothing is lost, the broker is not stormed with redeliveries
// meanwhile, and work goes on soon after its return.
func postgresStories() map[string]story {
	return map[string]story{"postgres down " + kills: func(s *scene) {
		postgres := devstack.PrivatePostgres(s.t, devstack.PostgresConfig{})
		check(s.t, postgres.CreateDatabase(s.t.Context(), "oprun"))
		s.migrate(postgres.URL("oprun"))
		s.beginOn(s.brokerHere(), postgres.URL("oprun"))
		s.inHand()
		postgres.Kill()
		for i := range 50 {
			s.publish(args{Key: fmt.Sprint("while it is away ", i)})
		}
		pass(away)
		before := s.delivered()
		check(s.t, postgres.Restart(s.t.Context()))
		back := time.Now()
		s.pool.Reset()
		done := s.count("select count(*) from effects")
		s.eventually("work to go on", func() bool { return s.count("select count(*) from effects") > done })
		s.t.Logf("work went on %s after the return", time.Since(back))
		s.end()
		// Each message was in hand when Postgres went away or came later, and may have been delivered to the other worker.
		if most := uint64(3 * len(s.accepted)); before > most {
			s.t.Errorf("%d deliveries of %d messages while there was no ledger, want at most %d", before, len(s.accepted), most)
		}
	}}
}

func (s *scene) migrate(database string) {
	s.t.Helper()
	conn := must(pgx.Connect(s.t.Context(), database))(s.t)
	must(migrations.Up(s.t.Context(), conn))(s.t)
	check(s.t, conn.Close(s.t.Context()))
}

// delivered is how often the consumer has delivered anything.
func (s *scene) delivered() uint64 {
	s.t.Helper()
	consumer := must(s.js.Consumer(s.t.Context(), s.topology.Stream, s.topology.Consumer))(s.t)
	return consumer.CachedInfo().Delivered.Consumer
}

// callerStories hold a transaction of a caller's open, for longer than a lease, that has joined a running job and made
// another for which a message comes in meanwhile; then it ends in one of these ways.
func callerStories() map[string]story {
	return map[string]story{
		"caller " + kills: func(s *scene) {
			s.callerHolds(func(tx pgx.Tx) (made bool) {
				check(s.t, tx.Conn().PgConn().Conn().Close()) // as when its process is killed
				return false
			})
		},
		"caller " + fails: func(s *scene) {
			s.callerHolds(func(tx pgx.Tx) bool {
				check(s.t, tx.Rollback(s.t.Context()))
				return false
			})
		},
		"caller " + delays: func(s *scene) {
			s.callerHolds(func(tx pgx.Tx) bool {
				check(s.t, tx.Commit(s.t.Context()))
				return true
			})
		},
	}
}

func (s *scene) callerHolds(end func(pgx.Tx) (made bool)) {
	s.begin()
	s.publish(args{Key: "running"})
	s.worker(fault("run.during", delays)).strikes()
	conn := must(pgx.Connect(s.t.Context(), s.database))(s.t)
	s.t.Cleanup(func() { _ = conn.Close(context.Background()) })
	tx := must(conn.Begin(s.t.Context()))(s.t)
	run, made, err := s.ledger.On(tx).EnsureRunWithIdentity(s.t.Context(), s.request("running"))
	check(s.t, err)
	if made || run.ID != s.accepted[0] {
		s.t.Errorf("the caller was given run %s (new: %t), want the running %s", run.ID, made, s.accepted[0])
	}
	run, _, err = s.ledger.On(tx).EnsureRunWithIdentity(s.t.Context(), s.request("held"))
	check(s.t, err)
	s.publish(args{Key: "held"})
	s.publish(args{Key: "neighbour"})
	s.eventually("the running job and the neighbour to end", func() bool { return s.count("select count(*) from effects") == 2 })
	if end(tx) {
		s.accept(run.ID, time.Now())
	}
	s.end()
}
