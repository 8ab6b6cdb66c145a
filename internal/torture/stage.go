package torture

import (
	"context"
	_ "embed"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"oprun.example/internal/devstack"
)

//go:embed schema.sql
var schema string

// stage is what the torture plays on: both servers, two worlds, and the clients' history.
type stage struct {
	postgres *devstack.Postgres
	broker   *broker
	js       jetstream.JetStream
	worlds   [2]*world
	kinds    []kind
	history  *history
	env      []string
	log      io.Writer // what the processes say

	closers []func() error
}

// setStage starts the servers and makes them ready: two ledgers and their streams.
func setStage(ctx context.Context, config Config, dir string) (s *stage, err error) {
	s = &stage{kinds: kinds()}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
			s = nil
		}
	}()
	log, err := os.Create(filepath.Join(dir, "processes.log"))
	if err != nil {
		return s, err
	}
	s.log = log
	s.closers = append(s.closers, log.Close)
	if s.history, err = openHistory(filepath.Join(dir, "history.ndjson")); err != nil {
		return s, err
	}
	s.closers = append(s.closers, s.history.file.Close)
	if err := s.startServers(ctx, config, dir); err != nil {
		return s, err
	}
	return s, s.makeWorlds(ctx)
}

func (s *stage) startServers(ctx context.Context, config Config, dir string) (err error) {
	if s.broker, err = newBroker(config.Self(NATSPart), filepath.Join(dir, "jetstream"), s.log); err != nil {
		return err
	}
	s.closers = append(s.closers, func() error { s.broker.stop(); return nil })
	if err := s.broker.start(ctx); err != nil {
		return err
	}
	// No fsync: what is killed here are processes, and the kernel keeps their pages.
	if s.postgres, err = devstack.StartPostgres(ctx, devstack.PostgresConfig{
		MaxConnections: 300, Settings: map[string]string{"track_commit_timestamp": "on"},
	}); err != nil {
		return err
	}
	s.closers = append(s.closers, s.postgres.Close)
	return nil
}

// makeWorlds makes both ledgers and both streams.
func (s *stage) makeWorlds(ctx context.Context) error {
	conn, err := connect(s.broker.url())
	if err != nil {
		return err
	}
	s.closers = append(s.closers, func() error { conn.Close(); return nil })
	if s.js, err = jetstream.New(conn); err != nil {
		return err
	}
	s.env = []string{"NATS_URL=" + s.broker.url()}
	for i, topology := range topologies() {
		database := strings.ToLower(topology.Stream)
		if err := s.postgres.CreateDatabase(ctx, database); err != nil {
			return err
		}
		url := s.postgres.URL(database)
		if s.worlds[i], err = makeWorld(ctx, topology, url, s.js); err != nil {
			return err
		}
		s.closers = append(s.closers, func() error { s.worlds[i].close(); return nil })
		s.env = append(s.env, databaseEnv(topology)+"="+url)
	}
	return nil
}

// close gives everything back, in reverse.
func (s *stage) close() error {
	var errs []error
	for i := len(s.closers) - 1; i >= 0; i-- {
		errs = append(errs, s.closers[i]())
	}
	s.closers = nil
	return errors.Join(errs...)
}
