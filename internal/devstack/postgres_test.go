package devstack

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// connect opens a connection that is closed after the test.
func connect(t *testing.T, address string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func query[T any](t *testing.T, conn *pgx.Conn, sql string) T {
	t.Helper()
	rows, err := conn.Query(t.Context(), sql)
	if err != nil {
		t.Fatal(err)
	}
	value, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[T])
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return value
}

func run(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func TestPostgresKeepsItsDataAndAddress(t *testing.T) {
	t.Parallel()
	tmp := tempFolder(t)
	p := PrivatePostgres(t, PostgresConfig{Dir: tmp})
	address := p.URL("postgres")
	run(t, connect(t, address), "CREATE TABLE survivors AS SELECT 'start' AS of")

	done := p.Done()
	if err := p.Stop(); err != nil {
		t.Fatal(err)
	}
	<-done
	if err := p.Stop(); err != nil {
		t.Errorf("a second stop: %v", err)
	}
	if err := p.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	run(t, connect(t, address), "INSERT INTO survivors VALUES ('stop')")

	// A restart of a running server, and a commit right before a crash.
	if err := p.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	run(t, connect(t, address), "INSERT INTO survivors VALUES ('crash')")
	p.Kill()
	if err := p.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if count := query[int](t, connect(t, p.URL("postgres")), "SELECT count(*) FROM survivors"); count != 3 || p.URL("postgres") != address {
		t.Errorf("%d of 3 rows, address %s, was %s", count, p.URL("postgres"), address)
	}

	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	wantEmpty(t, tmp)
	if err := p.Restart(t.Context()); err == nil {
		t.Error("it starts after Close")
	}
}

func TestPostgresKill(t *testing.T) {
	t.Parallel()
	p := PrivatePostgres(t, PostgresConfig{})
	conn := connect(t, p.URL("postgres"))
	backend := query[int](t, conn, "SELECT pg_backend_pid()")
	asleep := make(chan error, 1)
	go func() {
		_, err := conn.Exec(context.Background(), "SELECT pg_sleep(600)")
		asleep <- err
	}()
	segment := postmasterLine(p.dir.path, 6)
	p.Kill()
	p.Kill() // nothing left to kill
	if err := <-asleep; err == nil {
		t.Error("a statement survived")
	}
	if alive(backend) {
		t.Error("its backend survived")
	}
	select {
	case <-p.Done():
	default:
		t.Error("Done is open")
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if segment == 0 || sharedMemoryExists(t, segment) {
		t.Errorf("shared memory %d is left behind", segment)
	}
}

// sharedMemoryExists reads Linux's table; elsewhere it knows nothing.
func sharedMemoryExists(t *testing.T, id int) bool {
	t.Helper()
	table, err := os.ReadFile("/proc/sysvipc/shm")
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(table)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[1] == strconv.Itoa(id) {
			return true
		}
	}
	return false
}

func TestPostgresSettings(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		config PostgresConfig
		want   map[string]string
	}{
		"throw-away by default": {
			PostgresConfig{},
			map[string]string{
				"fsync": "off", "full_page_writes": "off", "synchronous_commit": "on", "listen_addresses": "", "max_connections": "100",
				"server_encoding": "UTF8", "lc_collate": "C", "TimeZone": "UTC",
			},
		},
		"durable on demand": {
			PostgresConfig{Durable: true, SharedBuffers: "16MB", MaxConnections: 20},
			map[string]string{"fsync": "on", "full_page_writes": "on", "shared_buffers": "16MB", "max_connections": "20"},
		},
		"settings win": {
			PostgresConfig{Durable: true, Settings: map[string]string{"fsync": "off", "work_mem": "1MB"}},
			map[string]string{"fsync": "off", "work_mem": "1MB"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := connect(t, PrivatePostgres(t, test.config).URL("postgres"))
			for setting, want := range test.want {
				if got := query[string](t, conn, "SELECT current_setting('"+setting+"')"); got != want {
					t.Errorf("%s is %q, want %q", setting, got, want)
				}
			}
		})
	}
}

func TestStartPostgresThatFails(t *testing.T) {
	t.Parallel()
	t.Run("tells the end of its log and leaves nothing", func(t *testing.T) {
		t.Parallel()
		tmp := tempFolder(t)
		var log bytes.Buffer
		_, err := StartPostgres(t.Context(), PostgresConfig{Dir: tmp, Settings: map[string]string{"no_such_setting": "1"}, Log: &log})
		if err == nil || !strings.Contains(err.Error(), "no_such_setting") || !strings.Contains(log.String(), "no_such_setting") {
			t.Errorf("error %v, log %q", err, &log)
		}
		wantEmpty(t, tmp)
	})
	t.Run("a cancel leaves nothing", func(t *testing.T) {
		t.Parallel()
		errStop := errors.New("interrupt")
		tmp := tempFolder(t)
		ctx, cancel := context.WithCancelCause(t.Context())
		ended := make(chan error, 1)
		go func() {
			_, err := StartPostgres(ctx, PostgresConfig{Dir: tmp})
			ended <- err
		}()
		eventually(t, "initdb is at work", func() bool {
			found, _ := filepath.Glob(filepath.Join(tmp, "*", "data"))
			return len(found) > 0
		})
		cancel(errStop)
		if err := <-ended; !errors.Is(err, errStop) {
			t.Errorf("got %v", err)
		}
		wantEmpty(t, tmp)
	})
	t.Run("a path too long for a socket is said before anything else", func(t *testing.T) {
		t.Parallel()
		tmp := filepath.Join(tempFolder(t), strings.Repeat("long", 25))
		if err := os.Mkdir(tmp, 0o711); err != nil {
			t.Fatal(err)
		}
		_, err := StartPostgres(t.Context(), PostgresConfig{Dir: tmp})
		if err == nil || !strings.Contains(err.Error(), "TMPDIR") {
			t.Errorf("got %v", err)
		}
		wantEmpty(t, tmp)
	})
}
