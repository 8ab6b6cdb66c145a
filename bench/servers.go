package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"oprun.example/internal/devstack"
)

// servers are what all contestants share: a private Postgres, and one nats-server, each in processes of their own.
type servers struct {
	postgres   *devstack.Postgres
	admin      *pgx.Conn
	postmaster int // its process
	nats       *exec.Cmd
	natsURL    string
	natsInput  io.Closer // the nats-server ends when it is closed
	js         jetstream.JetStream
	store      string // the nats-server's folder
	databases  int    // made so far, for their names
	profile    string // the folder of profiles; empty: none are wanted
	statements *os.File
}

// onServers measures on servers of their own, which are gone afterwards.
func onServers(ctx context.Context, do func(*servers, machine) error) (err error) {
	s, err := startServers(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	machine, err := s.machine(ctx)
	if err != nil {
		return err
	}
	return do(s, machine)
}

func startServers(ctx context.Context) (*servers, error) {
	s := &servers{}
	err := s.startPostgres(ctx)
	if err == nil {
		err = s.startNATS(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *servers) startPostgres(ctx context.Context) (err error) {
	s.postgres, err = devstack.StartPostgres(ctx, devstack.PostgresConfig{
		Durable: true, SharedBuffers: "512MB", MaxConnections: 200,
		// No checkpoint in the middle of one contestant's turn and not of another's: there is one before each.
		Settings: map[string]string{"max_wal_size": "8GB", "checkpoint_timeout": "1h", "autovacuum_naptime": "10s"},
	})
	if err != nil {
		return err
	}
	return s.connect(ctx)
}

func (s *servers) connect(ctx context.Context) (err error) {
	if s.admin, err = pgx.Connect(ctx, s.postgres.URL("postgres")); err != nil {
		return err
	}
	s.postmaster, err = s.findPostmaster(ctx)
	return err
}

func (s *servers) findPostmaster(ctx context.Context) (int, error) {
	var dir string
	if err := s.admin.QueryRow(ctx, "show data_directory").Scan(&dir); err != nil {
		return 0, err
	}
	file, err := os.ReadFile(filepath.Join(dir, "postmaster.pid"))
	if err != nil {
		return 0, err
	}
	first, _, _ := strings.Cut(string(file), "\n")
	return strconv.Atoi(first)
}

// startNATS runs this program again as the nats-server, which says its address on its first line.
func (s *servers) startNATS(ctx context.Context) (err error) {
	if s.store, err = os.MkdirTemp("", "oprun-bench-nats-"); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	s.nats = exec.CommandContext(ctx, self, "nats", s.store)
	s.nats.Stderr = os.Stderr
	if s.natsInput, err = s.nats.StdinPipe(); err != nil {
		return err
	}
	stdout, err := s.nats.StdoutPipe()
	if err != nil {
		return err
	}
	if err = s.nats.Start(); err != nil {
		return err
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		return fmt.Errorf("start the nats-server: %w", err)
	}
	s.natsURL = strings.TrimSpace(line)
	conn, err := nats.Connect(s.natsURL)
	if err != nil {
		return err
	}
	s.js, err = jetstream.New(conn)
	return err
}

func (s *servers) close() error {
	var errs []error
	if s.statements != nil {
		errs = append(errs, s.statements.Close())
	}
	if s.js != nil {
		s.js.Conn().Close()
	}
	if s.natsInput != nil {
		errs = append(errs, s.natsInput.Close())
	}
	if s.nats != nil && s.nats.Process != nil {
		errs = append(errs, s.nats.Wait())
	}
	if s.store != "" {
		errs = append(errs, os.RemoveAll(s.store))
	}
	if s.postgres != nil {
		errs = append(errs, s.postgres.Close())
	}
	return errors.Join(errs...)
}

// fresh makes a database without a schema, and leaves no stream.
func (s *servers) fresh(ctx context.Context) (database string, err error) {
	s.databases++
	database = "turn" + strconv.Itoa(s.databases)
	if err := s.postgres.CreateDatabase(ctx, database); err != nil {
		return "", err
	}
	return database, s.clear(ctx)
}

// clear leaves no stream. What the last contestant wrote is on disk then, so that the next one does not pay for it.
func (s *servers) clear(ctx context.Context) error {
	streams := s.js.StreamNames(ctx)
	for name := range streams.Name() {
		if err := s.js.DeleteStream(ctx, name); err != nil {
			return fmt.Errorf("delete stream %s: %w", name, err)
		}
	}
	if err := streams.Err(); err != nil {
		return fmt.Errorf("list the streams: %w", err)
	}
	_, err := s.admin.Exec(ctx, "checkpoint")
	return err
}

func (s *servers) drop(ctx context.Context, database string) error {
	_, err := s.admin.Exec(ctx, "drop database "+database+" with (force)")
	return err
}

// usage is what the servers have used since they were started.
type usage struct {
	postgres, nats time.Duration // CPU
	wal            int64         // bytes
}

func (s *servers) usage(ctx context.Context) (u usage, err error) {
	if err := s.admin.QueryRow(ctx, "select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint").Scan(&u.wal); err != nil {
		return u, err
	}
	if u.postgres, err = cpuOfTree(s.postmaster); err != nil {
		return u, err
	}
	u.nats, err = cpuOf(s.nats.Process.Pid)
	return u, err
}

// natsCommand is the nats-server.
type natsCommand struct {
	Dir string `arg:"" help:"Where its streams live."`
}

func (c *natsCommand) Run(to streams) error {
	server, err := devstack.StartNATS(devstack.NATSConfig{StoreDir: c.Dir, Port: -1})
	if err != nil {
		return err
	}
	fmt.Fprintln(to.out, server.URL())
	_, err = io.Copy(io.Discard, to.in) // until the parent closes it, or is gone
	return errors.Join(err, server.Close())
}
