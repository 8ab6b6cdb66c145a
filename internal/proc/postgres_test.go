package proc

import (
	"context"
	"errors"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"oprun.example/internal/devstack"
)

const secret = "s3cr3t"

// wantError checks code, hint and silence about the secret.
func wantError(t *testing.T, err error, code Code, hint string) {
	t.Helper()
	known, ok := errors.AsType[*Error](err)
	if !ok || known.Code != code || !strings.Contains(known.Hint, hint) {
		t.Fatalf("got %#v, want code %q and a hint on %s", err, code, hint)
	}
	if text := known.Error() + known.Hint; strings.Contains(text, secret) {
		t.Errorf("it tells the password: %s", text)
	}
}

func TestConnectPostgres(t *testing.T) {
	t.Parallel()
	t.Run("opens a pool as configured", func(t *testing.T) {
		t.Parallel()
		pool, err := ConnectPostgres(t.Context(), devstack.EmptyDatabase(t), DefaultWait, func(config *pgxpool.Config) {
			config.MaxConns = 2
			config.ConnConfig.RuntimeParams["application_name"] = "proc test"
		})
		if err != nil {
			t.Fatal(err)
		}
		defer pool.Close()
		var name string
		if err := pool.QueryRow(t.Context(), "SELECT current_setting('application_name')").Scan(&name); err != nil {
			t.Fatal(err)
		}
		if name != "proc test" || pool.Config().MaxConns != 2 {
			t.Errorf("application_name %q, %d connections", name, pool.Config().MaxConns)
		}
	})
	t.Run("an address that cannot be parsed is a usage error without the password", func(t *testing.T) {
		t.Parallel()
		for _, address := range []string{
			"postgres://user:" + secret + "%zz@host/database",
			"postgres://user:" + secret + "@[host/database",
			"postgres://user:" + secret + "@host:port/database",
			"postgres://user:" + secret + "@host/database?sslmode=maybe",
			"host=here password=" + secret + " nonsense",
			"host=here password='" + secret,
		} {
			_, err := ConnectPostgres(t.Context(), address, 0, nil)
			wantError(t, err, Usage, "DATABASE_URL")
		}
	})
	t.Run("a server that is not there is unavailable", func(t *testing.T) {
		t.Parallel()
		address := "postgres://user:" + secret + "@/database?host=" + url.QueryEscape(t.TempDir())
		_, err := ConnectPostgres(t.Context(), address, 100*time.Millisecond, nil)
		wantError(t, err, Unavailable, "DATABASE_URL")
		if !strings.Contains(err.Error(), `database "database"`) {
			t.Errorf("it does not name the database: %v", err)
		}
	})
	t.Run("an unknown database ends the wait at once", func(t *testing.T) {
		t.Parallel()
		here, err := url.Parse(devstack.EmptyDatabase(t))
		if err != nil {
			t.Fatal(err)
		}
		here.Path = "/nowhere"
		here.User = url.UserPassword("postgres", secret)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		_, err = ConnectPostgres(ctx, here.String(), time.Hour, nil)
		wantError(t, err, Unavailable, "DATABASE_URL")
	})
	t.Run("a cancel is the error", func(t *testing.T) {
		t.Parallel()
		errStop := errors.New("interrupt")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errStop)
		_, err := ConnectPostgres(ctx, "postgres://user@/database?host="+url.QueryEscape(t.TempDir()), time.Hour, nil)
		if _, isUnavailable := errors.AsType[*Error](err); !errors.Is(err, errStop) || isUnavailable {
			t.Errorf("got %v", err)
		}
	})
}

// Not parallel: it changes the environment.
func TestConnectPostgresByTheEnvironment(t *testing.T) {
	here, err := url.Parse(devstack.EmptyDatabase(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("PGHOST", here.Query().Get("host"))
	t.Setenv("PGUSER", here.User.Username())
	t.Setenv("PGDATABASE", filepath.Base(here.Path))
	t.Setenv("PGSSLMODE", "disable")
	pool, err := ConnectPostgres(t.Context(), "", 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	pool.Close()
}
