package devstack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// recorder is a TB of a test that fails on purpose.
type recorder struct {
	failures []string
	cleanups []func()
}

func (*recorder) Helper()            {}
func (r *recorder) Cleanup(f func()) { r.cleanups = append(r.cleanups, f) }
func (r *recorder) Errorf(format string, args ...any) {
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

// record runs a test that may fail, cleans up after it, and returns its failures.
func record(test func(TB)) []string {
	r := &recorder{}
	ended := make(chan struct{}) // closed by the goroutine below, also after Goexit
	go func() {
		defer close(ended)
		test(r)
	}()
	<-ended
	for i := len(r.cleanups) - 1; i >= 0; i-- {
		r.cleanups[i]()
	}
	return r.failures
}

func hasLedger(t *testing.T, conn *pgx.Conn) bool {
	t.Helper()
	return query[bool](t, conn, "SELECT to_regnamespace('oprun') IS NOT NULL")
}

func TestDatabase(t *testing.T) {
	t.Parallel()
	for i := range 8 {
		t.Run(fmt.Sprintf("clone %d is migrated and nobody else's", i), func(t *testing.T) {
			t.Parallel()
			conn := connect(t, Database(t))
			if !hasLedger(t, conn) {
				t.Error("it has no schema oprun")
			}
			run(t, conn, "CREATE TABLE mine (id int)") // fails where another test has made its own
		})
	}
	t.Run("an empty one has no schema", func(t *testing.T) {
		t.Parallel()
		if hasLedger(t, connect(t, EmptyDatabase(t))) {
			t.Error("it has the schema oprun")
		}
	})
	t.Run("is dropped after the test, whoever is connected", func(t *testing.T) {
		t.Parallel()
		var address string
		failures := record(func(tb TB) {
			address = EmptyDatabase(tb)
			connect(t, address) // closed only after t
		})
		if len(failures) > 0 {
			t.Error(failures)
		}
		if conn, err := pgx.Connect(t.Context(), address); err == nil {
			t.Error("it still exists", conn.Close(t.Context()))
		}
	})
	t.Run("a missing postgres fails the test with what to type", func(t *testing.T) {
		t.Parallel()
		broken := &sharedPostgres{started: true, err: &MissingError{Looked: []string{"PATH"}, Hint: "type: this"}}
		for range 2 { // not only the first test of a process
			failures := record(func(tb TB) { broken.fresh(tb, "") })
			if len(failures) != 1 || !strings.Contains(failures[0], "type: this") {
				t.Errorf("failures: %q", failures)
			}
		}
	})
}

func TestPool(t *testing.T) {
	t.Parallel()
	t.Run("works on a migrated database", func(t *testing.T) {
		t.Parallel()
		var migrated bool
		if err := Pool(t).QueryRow(t.Context(), "SELECT to_regnamespace('oprun') IS NOT NULL").Scan(&migrated); err != nil || !migrated {
			t.Errorf("migrated %t, %v", migrated, err)
		}
	})
	t.Run("blames a test that keeps a connection", func(t *testing.T) {
		t.Parallel()
		pool, err := pgxpool.New(t.Context(), EmptyDatabase(t))
		if err != nil {
			t.Fatal(err)
		}
		kept, err := pool.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		failures := record(func(tb TB) { closePool(tb, pool, time.Millisecond) })
		kept.Release()
		if len(failures) != 1 || !strings.Contains(failures[0], "1 connections") {
			t.Errorf("failures: %q", failures)
		}
	})
}

// A whole test process, from its first database to its exit.
func TestRunLeavesNothing(t *testing.T) {
	t.Parallel()
	tmp := tempFolder(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestPool$/works", "-test.count=1")
	cmd.Env = append(os.Environ(), "TMPDIR="+tmp)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	wantEmpty(t, tmp)
}

func TestCloseOfTheSharedPostgres(t *testing.T) {
	t.Parallel()
	unused := &sharedPostgres{}
	if err := unused.close(); err != nil {
		t.Error(err)
	}
	failed := &sharedPostgres{started: true, err: errors.New("no postgres")}
	if err := failed.close(); err != nil {
		t.Error(err)
	}
}
