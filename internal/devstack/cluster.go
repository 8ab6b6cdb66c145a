package devstack

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	superuser  = "postgres"
	socketPort = "5432" // only part of the socket's name: each cluster has a folder of its own
	// socketLimit is the shortest limit on a unix socket's path among the systems we know.
	socketLimit = 103
)

// cluster is how to make and launch the server that lives in one folder: data/ and the sockets in s/.
type cluster struct {
	config PostgresConfig
	dir    string
	bin    binaries
	as     account
	log    *logTail
}

func newCluster(config PostgresConfig, dir string, bin binaries, as account) *cluster {
	return &cluster{config: config, dir: dir, bin: bin, as: as, log: &logTail{to: config.Log}}
}

func (c *cluster) dataDir() string   { return dataDir(c.dir) }
func (c *cluster) socketDir() string { return filepath.Dir(socketPath(c.dir)) }

func dataDir(dir string) string    { return filepath.Join(dir, "data") }
func socketPath(dir string) string { return filepath.Join(dir, "s", ".s.PGSQL."+socketPort) }

// init makes the cluster's files.
func (c *cluster) init(ctx context.Context) error {
	if path := socketPath(c.dir); len(path) > socketLimit {
		return fmt.Errorf("make a postgres cluster: the socket's path %s is too long; set TMPDIR to a shorter folder", path)
	}
	err := c.makeFolders()
	if err == nil {
		err = c.initdb(ctx)
	}
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("make a postgres cluster in %s as %s, who must be able to enter it; set TMPDIR to another folder: %w", c.dir, c.as.name, err)
	case err != nil:
		return fmt.Errorf("make a postgres cluster in %s as %s: %w", c.dir, c.as.name, err)
	}
	return nil
}

func (c *cluster) makeFolders() error {
	for _, dir := range []string{c.dataDir(), c.socketDir()} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			return err
		}
		if err := c.as.own(dir); err != nil {
			return err
		}
	}
	return nil
}

func (c *cluster) initdb(ctx context.Context) error {
	initdb, err := startChild(c.command("initdb", "--no-sync", "--auth=trust", "--encoding=UTF8", "--locale=C",
		"--no-instructions", "--username="+superuser, "--pgdata="+c.dataDir()), c.as, syscall.SIGKILL)
	if err != nil {
		return err
	}
	if err := initdb.wait(ctx); err != nil {
		return fmt.Errorf("initdb: %w; it said:\n%s", err, c.log)
	}
	return nil
}

// launch starts the server; it does not wait for it.
func (c *cluster) launch() (*child, error) {
	// SIGQUIT is PostgreSQL's immediate shutdown: the server takes its backends with it.
	server, err := startChild(c.command("postgres", c.arguments()...), c.as, syscall.SIGQUIT)
	if err != nil {
		return nil, fmt.Errorf("start postgres: %w", err)
	}
	return server, nil
}

func (c *cluster) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(c.bin.dir, program), args...)
	cmd.Dir = c.dataDir()
	cmd.Env = serverEnv(c.bin.env)
	cmd.Stdout, cmd.Stderr = c.log, c.log
	return cmd
}

func (c *cluster) arguments() []string {
	args := []string{"-D", c.dataDir()}
	settings := c.settings()
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		args = append(args, "-c", name+"="+settings[name])
	}
	return args
}

func (c *cluster) settings() map[string]string {
	settings := map[string]string{
		"listen_addresses":        "",
		"unix_socket_directories": `"` + c.socketDir() + `"`, // quoted: it is a list, and a comma would split it
		"port":                    socketPort,
		"shared_buffers":          cmp.Or(c.config.SharedBuffers, "128MB"),
		"max_connections":         strconv.Itoa(cmp.Or(c.config.MaxConnections, 100)),
		"fsync":                   onOff(c.config.Durable),
		"full_page_writes":        onOff(c.config.Durable),
		"synchronous_commit":      "on",
		// Files in the data folder instead of /dev/shm: gone with the folder even after a SIGKILL.
		"dynamic_shared_memory_type": "mmap",
		// The library it needs is 100 MB and missing from an unpacked copy; then every large query would fail.
		"jit":             "off",
		"log_checkpoints": "off",
	}
	maps.Copy(settings, c.config.Settings)
	return settings
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

// ready waits until the server answers a query.
func (c *cluster) ready(ctx context.Context, server *child, address string) error {
	retry := time.NewTicker(20 * time.Millisecond)
	defer retry.Stop()
	for {
		if answers(ctx, address) {
			return nil
		}
		select {
		case <-server.done:
			return fmt.Errorf("start postgres: it ended at once (%w); its log ends with:\n%s", cmp.Or(server.err, errors.New("exit 0")), c.log)
		case <-ctx.Done():
			return fmt.Errorf("start postgres: %w; its log ends with:\n%s", context.Cause(ctx), c.log)
		case <-retry.C:
		}
	}
}

func answers(ctx context.Context, address string) bool {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, address)
	if err != nil {
		return false
	}
	defer conn.Close(ctx)
	return conn.Ping(ctx) == nil
}
