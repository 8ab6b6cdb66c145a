package oprun

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"oprun.example/internal/devstack"
	"oprun.example/migrations"
)

func TestUnavailable(t *testing.T) {
	t.Parallel()
	tests := []struct {
		err  error
		want bool
	}{
		{nil, false},
		{ErrFenced, false},
		{fmt.Errorf("wrapped: %w", ErrNotFound), false},
		{&SchemaError{}, false},
		{errors.New("failed to encode a parameter"), false},
		{&pgconn.PgError{Code: "23514"}, false},
		{&pgconn.PgError{Code: "22021"}, false},
		{&pgconn.PgError{Code: ""}, false},
		{&pgconn.PgError{Code: "57P01"}, true},
		{&pgconn.PgError{Code: "53300"}, true},
		{&pgconn.PgError{Code: "25006"}, true},
		{&pgconn.PgError{Code: "25P03"}, true},
		{&pgconn.PgError{Code: "08006"}, true},
		{fmt.Errorf("wrapped: %w", &pgconn.PgError{Code: "55P03"}), true},
		{fmt.Errorf("wrapped: %w", context.DeadlineExceeded), true},
		{&net.OpError{Op: "dial", Err: errors.New("refused")}, true},
	}
	for _, test := range tests {
		if got := Unavailable(test.err); got != test.want {
			t.Errorf("%v: unavailable is %t", test.err, got)
		}
	}
}

func TestADatabaseThatGoesAndComesBack(t *testing.T) {
	t.Parallel()
	postgres := devstack.PrivatePostgres(t, devstack.PostgresConfig{})
	must(t, postgres.CreateDatabase(t.Context(), "ledger"))
	pool := poolOn(t, postgres.URL("ledger"), nil)
	conn, err := pool.Acquire(t.Context())
	must(t, err)
	_, err = migrations.Up(t.Context(), conn.Conn())
	must(t, err)
	conn.Release()
	s := sceneOn(t, pool)
	d, lost := s.delivery("a"), s.delivery("b")
	h := s.take(d)

	unavailable := func(when string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		for what, err := range map[string]error{
			"claim":   second(s.Claim(ctx, s.who, []Delivery{lost})),
			"extend":  second(s.Extend(ctx, []Hold{h})),
			"finish":  second(s.Finish(ctx, []Result{succeeded(h)})),
			"confirm": second(s.Confirm(ctx, []Hold{h})),
			"due":     second(s.Due(ctx, Relay{Limit: 1, Turn: 0, Stream: "JOBS"})),
			"schema":  s.CheckSchema(ctx),
		} {
			if !Unavailable(err) {
				t.Errorf("%s %s: %v", what, when, err)
			}
		}
	}
	postgres.Kill()
	unavailable("after a crash")
	must(t, postgres.Restart(t.Context()))
	s.eventually("the ledger is back", func() bool { return s.CheckSchema(t.Context()) == nil })
	same(t, "what was claimed is claimed", []string{"busy", "execute"}, verdicts(s.claim(again(d), lost)))
	s.finish(h)
	must(t, postgres.Stop())
	unavailable("after a stop")
	must(t, postgres.Restart(t.Context()))
	s.eventually("the ledger is back", func() bool { return s.CheckSchema(t.Context()) == nil })
	same(t, "what was finished is finished", Succeeded, s.confirmed(h))
}

func second[T any](_ T, err error) error { return err }
