package devstack

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"oprun.example/migrations"
)

// TB is what this package needs of a *testing.T, *testing.B or *testing.F.
type TB interface {
	Helper()
	Cleanup(func())
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// Tests wraps the *testing.M of a package whose tests share one private Postgres. Its Run starts nothing; it stops
// and removes that Postgres after the tests, if one was started. It fits goleak:
//
//	func TestMain(m *testing.M) { goleak.VerifyTestMain(devstack.Tests{M: m}) }
type Tests struct {
	M interface{ Run() int }
}

// Run runs the tests and returns the exit code; a shared Postgres that does not stop turns 0 into 1. Without it the
// server still dies with the process, and its folder is swept by the next start.
func (t Tests) Run() int {
	code := t.M.Run()
	if err := common.close(); err != nil {
		fmt.Println("devstack:", err)
		code = max(code, 1)
	}
	return code
}

// Run is Tests.Run for a TestMain without goleak: os.Exit(devstack.Run(m)).
func Run(m interface{ Run() int }) int { return Tests{M: m}.Run() }

// Database returns the URL of a new, migrated database, which is dropped after the test, with whatever is connected
// to it. It is cloned from a template in about 40 ms; the first call of a process also starts the Postgres that its
// tests share (no fsync, 300 connections) and migrates the template. The test fails, and is never skipped, when no
// Postgres can be had; the text says what to type.
func Database(tb TB) string {
	tb.Helper()
	return common.fresh(tb, templateName)
}

// EmptyDatabase is Database without the schema.
func EmptyDatabase(tb TB) string {
	tb.Helper()
	return common.fresh(tb, "template0")
}

// Pool returns a pool on a Database of its own, closed after the test. A connection that is not released by then
// fails the test.
func Pool(tb TB) *pgxpool.Pool {
	tb.Helper()
	pool, err := pgxpool.New(context.Background(), Database(tb))
	if err != nil {
		tb.Fatalf("open a pool: %v", err)
		return nil
	}
	tb.Cleanup(func() { closePool(tb, pool, poolPatience) })
	return pool
}

// Server returns a nats-server of the test's own, with JetStream and without a port, closed after the test. A test
// that needs a port or restarts with its own options uses StartNATS.
func Server(tb TB) *NATS {
	tb.Helper()
	n, err := StartNATS(NATSConfig{})
	if err != nil {
		tb.Fatalf("%v", err)
		return nil
	}
	tb.Cleanup(func() {
		if err := n.Close(); err != nil {
			tb.Errorf("%v", err)
		}
	})
	return n
}

// PrivatePostgres returns a cluster of the test's own, closed after the test: for tests that kill or restart Postgres,
// or measure it. Its databases are the test's to make and to migrate.
func PrivatePostgres(tb TB, config PostgresConfig) *Postgres {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	p, err := StartPostgres(ctx, config)
	if err != nil {
		tb.Fatalf("%v", err)
		return nil
	}
	tb.Cleanup(func() {
		if err := p.Close(); err != nil {
			tb.Errorf("%v", err)
		}
	})
	return p
}

const (
	templateName = "oprun_template"
	// startTimeout covers unpacking PostgreSQL over a slow line, once per machine.
	startTimeout = 5 * time.Minute
	// databaseTimeout bounds the making and dropping of one database on a crowded machine.
	databaseTimeout = time.Minute
	// poolPatience is how long a test's connections may take to come back after the test.
	poolPatience = 10 * time.Second
)

// common is the Postgres that the tests of this process share. It has to be one per process, hence the variable.
var common sharedPostgres

type sharedPostgres struct {
	mu       sync.Mutex
	started  bool
	err      error
	postgres *Postgres
	admin    *pgxpool.Pool
	made     int // databases so far, for their names
}

// fresh makes a database and has it dropped after the test.
func (s *sharedPostgres) fresh(tb TB, template string) string {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout+databaseTimeout)
	defer cancel()
	name, err := s.create(ctx, template)
	if err != nil {
		tb.Fatalf("make a database: %v", err)
		return ""
	}
	tb.Cleanup(func() {
		if err := s.drop(name); err != nil {
			tb.Errorf("drop a database: %v", err)
		}
	})
	return s.postgres.URL(name)
}

func (s *sharedPostgres) create(ctx context.Context, template string) (string, error) {
	name, err := s.nextName(ctx)
	if err != nil {
		return "", err
	}
	// Copying the files takes half as long as the default, which writes them to the WAL.
	_, err = s.admin.Exec(ctx, "CREATE DATABASE "+name+" TEMPLATE "+template+" STRATEGY file_copy")
	return name, err
}

func (s *sharedPostgres) drop(name string) error {
	ctx, cancel := context.WithTimeout(context.Background(), databaseTimeout)
	defer cancel()
	_, err := s.admin.Exec(ctx, "DROP DATABASE "+name+" WITH (FORCE)")
	return err
}

// nextName starts the shared Postgres when this is the first name. A failed start is final: each test says why.
func (s *sharedPostgres) nextName(ctx context.Context) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.started {
		s.started = true
		s.err = s.start(ctx)
	}
	s.made++
	return fmt.Sprintf("test_%d", s.made), s.err
}

func (s *sharedPostgres) start(ctx context.Context) error {
	postgres, err := StartPostgres(ctx, PostgresConfig{
		MaxConnections: 300,
		// No replica will ever read this WAL.
		Settings: map[string]string{"wal_level": "minimal", "max_wal_senders": "0"},
	})
	if err != nil {
		return err
	}
	s.admin, err = pgxpool.New(ctx, postgres.URL("postgres"))
	if err == nil {
		err = makeTemplate(ctx, postgres)
	}
	if err != nil {
		if s.admin != nil {
			s.admin.Close()
		}
		return errors.Join(err, postgres.Close())
	}
	s.postgres = postgres
	return nil
}

// makeTemplate migrates the database that all others are cloned from, and closes it to connections: one that stays
// open would make cloning fail.
func makeTemplate(ctx context.Context, p *Postgres) error {
	if err := p.CreateDatabase(ctx, templateName); err != nil {
		return err
	}
	if err := migrate(ctx, p.URL(templateName)); err != nil {
		return fmt.Errorf("migrate the template database: %w", err)
	}
	return p.exec(ctx, "ALTER DATABASE "+templateName+" ALLOW_CONNECTIONS false")
}

func migrate(ctx context.Context, address string) error {
	conn, err := pgx.Connect(ctx, address)
	if err != nil {
		return err
	}
	_, err = migrations.Up(ctx, conn)
	return errors.Join(err, conn.Close(ctx))
}

func (s *sharedPostgres) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.postgres == nil {
		return nil
	}
	s.admin.Close()
	postgres := s.postgres
	s.postgres, s.started = nil, false
	return postgres.Close()
}

// closePool gives a leaked connection a moment and then blames the test instead of hanging it.
func closePool(tb TB, pool *pgxpool.Pool, patience time.Duration) {
	tb.Helper()
	closed := make(chan struct{}) // closed by the goroutine below
	go func() {
		pool.Close()
		close(closed)
	}()
	select {
	case <-closed:
	case <-time.After(patience):
		tb.Errorf("%d connections of the pool were never released", pool.Stat().AcquiredConns())
	}
}
