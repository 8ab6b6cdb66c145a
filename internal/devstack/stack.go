package devstack

import (
	"cmp"
	"context"
	"errors"
)

// Config says how a Stack runs. The zero value works.
type Config struct {
	Postgres PostgresConfig
	// NATS gets a free port when it names none: the processes that use the stack have to reach it.
	NATS NATSConfig
	// Database is made empty, for DATABASE_URL; empty: oprun.
	Database string
}

// Stack is both servers together, for a developer's machine and for the demo.
type Stack struct {
	Postgres *Postgres
	NATS     *NATS
	database string
}

// Start starts both servers and makes an empty database. ctx covers the start alone, as in StartPostgres: when it
// ends first, nothing is left behind. After that the caller must call Close, also when its own context has ended.
func Start(ctx context.Context, config Config) (*Stack, error) {
	s := &Stack{database: cmp.Or(config.Database, "oprun")}
	config.NATS.Port = cmp.Or(config.NATS.Port, -1)
	var err error
	// NATS first: it takes milliseconds, and a taken port is worth knowing before the rest.
	if s.NATS, err = StartNATS(config.NATS); err != nil {
		return nil, err
	}
	if s.Postgres, err = StartPostgres(ctx, config.Postgres); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if err := s.Postgres.CreateDatabase(ctx, s.database); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// DatabaseURL is the address of the stack's database.
func (s *Stack) DatabaseURL() string { return s.Postgres.URL(s.database) }

// Env is what a process of ours needs in its environment to use the stack: DATABASE_URL and NATS_URL. The credentials
// that the caller's own NATS may need do not fit this one, so NATS_CREDS is emptied.
func (s *Stack) Env() []string {
	return []string{"DATABASE_URL=" + s.DatabaseURL(), "NATS_URL=" + s.NATS.URL(), "NATS_CREDS="}
}

// Close stops both servers and removes everything they had on disk. A second call does nothing.
func (s *Stack) Close() error {
	var err error
	if s.Postgres != nil {
		err = s.Postgres.Close()
	}
	if s.NATS != nil {
		err = errors.Join(err, s.NATS.Close())
	}
	return err
}
