package proc

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

const postgresHint = "type: export DATABASE_URL=postgres://user@host:5432/database (or PGHOST, PGUSER, PGPASSWORD, …), and see that Postgres runs there"

// ConnectPostgres opens a pool and waits up to wait until Postgres answers; 0 tries once. An empty address means the
// PG* variables of the environment. configure may change the pool's configuration before it opens; nil: as parsed.
//
// An address that cannot be parsed is an *Error with the code Usage; a service that does not answer, or refuses the
// user or the database (which ends the wait at once), is one with the code Unavailable. Neither shows the password.
// When ctx ends first, the error is its cause. The caller closes the pool.
func ConnectPostgres(ctx context.Context, address string, wait time.Duration, configure func(*pgxpool.Config)) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(address)
	if err != nil {
		return nil, &Error{Code: Usage, Err: fmt.Errorf("read DATABASE_URL: %s", parseReason(err)), Hint: postgresHint}
	}
	if configure != nil {
		configure(config)
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, &Error{Code: Usage, Err: fmt.Errorf("open the pool: %w", err)}
	}
	if err := await(ctx, wait, pool.Ping, refused); err != nil {
		pool.Close()
		return nil, unavailable(ctx, fmt.Errorf("connect to postgres at %s: %w", target(config), err), postgresHint)
	}
	return pool, nil
}

// parseReason is pgx's reason without the address it quotes, and without what a parser of addresses adds: both may
// hold pieces of a password.
func parseReason(err error) string {
	text := err.Error()
	if _, ok := errors.AsType[*pgconn.ParseConfigError](err); ok {
		text = text[strings.LastIndex(text, "`: ")+len("`: "):]
	}
	if !strings.HasPrefix(text, "failed to parse as ") {
		return text
	}
	text, _, _ = strings.Cut(text, " (")
	if strings.HasSuffix(text, " URL") {
		text += "; special characters of a password are written as %XX there"
	}
	return text
}

// refused tells whether Postgres answered and said no: waiting will not change its mind.
func refused(err error) bool {
	answer, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return false
	}
	const noSuchDatabase, authorization = "3D000", "28"
	return answer.Code == noSuchDatabase || strings.HasPrefix(answer.Code, authorization)
}

// target names the first server of a configuration.
func target(config *pgxpool.Config) string {
	host := config.ConnConfig.Host
	if !strings.HasPrefix(host, "/") { // a folder: the unix socket there
		host = net.JoinHostPort(host, strconv.Itoa(int(config.ConnConfig.Port)))
	}
	return host + " database " + strconv.Quote(config.ConnConfig.Database)
}
