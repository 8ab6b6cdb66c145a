package devstack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// PostgresConfig says how a private cluster runs. The zero value works: a throw-away cluster for tests.
type PostgresConfig struct {
	// Dir is the folder in which the cluster's own temporary folder is made; empty: os.TempDir(). Every account must
	// be able to enter it, and its path must be short: a unix socket's path has about 100 bytes.
	Dir string
	// Durable turns on what a power failure asks for: fsync and full_page_writes. Without it every commit still
	// survives a Kill of the server, because the kernel has the pages; benchmarks that publish numbers set it.
	Durable bool
	// SharedBuffers is PostgreSQL's shared_buffers; empty: 128MB.
	SharedBuffers string
	// MaxConnections is PostgreSQL's max_connections; 0: 100.
	MaxConnections int
	// Settings are further parameters (postgresql.conf names). They win over everything above.
	Settings map[string]string
	// Log receives the server's log; nil: only its end is kept, for the error of a failed start.
	Log io.Writer
}

// Postgres is a private PostgreSQL cluster: a child process that listens on a unix socket only and trusts whoever may
// open it (the account that runs it, and root). It dies when this process dies. Its methods may be called from many
// goroutines; Stop, Kill, Restart and Close wait for each other.
type Postgres struct {
	cluster *cluster
	dir     *workdir

	mu     sync.Mutex
	server *child // the newest run, ended or not
	closed bool
}

// stopTimeout is how long a fast stop may take before the server is killed.
const stopTimeout = 20 * time.Second

// StartPostgres makes a cluster in a temporary folder of its own and returns when it accepts connections, which takes
// about 1.5 s. It first sweeps the folders of killed processes. Run as root it runs the server as the user postgres,
// else as nobody. When no PostgreSQL is installed it unpacks the distribution's packages into the user's cache, after
// one line on stderr that says so; OPRUN_NO_INSTALL=1 forbids that. Without binaries the error is a *MissingError.
//
// ctx covers the start alone: when it ends first, everything is stopped and removed, and the error wraps its cause.
// After that the caller must call Close.
func StartPostgres(ctx context.Context, config PostgresConfig) (*Postgres, error) {
	as, err := serverAccount()
	if err != nil {
		return nil, err
	}
	bin, err := machine.find(ctx, as)
	if err != nil {
		return nil, err
	}
	dir, err := makeWorkdir(config.Dir)
	if err != nil {
		return nil, err
	}
	p := &Postgres{dir: dir, cluster: newCluster(config, dir.path, bin, as)}
	if err := p.cluster.init(ctx); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	if err := p.Restart(ctx); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// URL is the address of a database of this cluster, for pgx, libpq and DATABASE_URL alike. It does not say whether the
// database exists; "postgres" always does. It stays the same over Restart.
func (p *Postgres) URL(database string) string {
	address := url.URL{Scheme: "postgres", User: url.User(superuser), Path: "/" + database}
	query := url.Values{"host": {p.cluster.socketDir()}, "port": {socketPort}, "sslmode": {"disable"}}
	address.RawQuery = query.Encode()
	return address.String()
}

// CreateDatabase makes an empty database.
func (p *Postgres) CreateDatabase(ctx context.Context, name string) error {
	return p.exec(ctx, "CREATE DATABASE "+pgx.Identifier{name}.Sanitize())
}

// exec runs one statement on the maintenance database, over a connection of its own.
func (p *Postgres) exec(ctx context.Context, statement string) error {
	conn, err := pgx.Connect(ctx, p.URL("postgres"))
	if err != nil {
		return fmt.Errorf("connect to the private postgres: %w", err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, statement); err != nil {
		return fmt.Errorf("run %q: %w", statement, err)
	}
	return nil
}

// Done is closed when the server that runs now has ended, for whatever reason. After Restart ask again.
func (p *Postgres) Done() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.server == nil {
		return closedChannel()
	}
	return p.server.done
}

// Stop shuts the server down fast: sessions are cut off, their transactions rolled back, a checkpoint is written. The
// data stays for Restart. It returns when every process of the server is gone; stopping a stopped server is nothing.
func (p *Postgres) Stop() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stop(syscall.SIGINT)
}

// Kill is the crash: SIGKILL for the server and all its backends at once, nothing written, no goodbye. It returns when
// they are gone. Restart then goes through crash recovery.
func (p *Postgres) Kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.kill()
}

// Restart starts the server again on the same data and address and returns when it accepts connections. A server that
// still runs is stopped first, as by Stop. When ctx ends first, the server is killed and the error wraps the cause.
func (p *Postgres) Restart(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return errors.New("start postgres: it is closed")
	}
	if err := p.stop(syscall.SIGINT); err != nil {
		return err
	}
	server, err := p.cluster.launch()
	if err != nil {
		return err
	}
	p.server = server
	if err := p.cluster.ready(ctx, server, p.URL("postgres")); err != nil {
		p.kill()
		return err
	}
	return nil
}

// Close stops the server without a checkpoint and removes everything it had on disk. A second call does nothing.
func (p *Postgres) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil
	}
	p.closed = true
	err := p.stop(syscall.SIGQUIT)
	removeSharedMemory(p.dir.path)
	return errors.Join(err, p.dir.remove())
}

func (p *Postgres) stop(signal syscall.Signal) error {
	if p.server == nil || !p.server.running() {
		return nil
	}
	if err := syscall.Kill(p.server.pid, signal); err != nil && !errors.Is(err, os.ErrProcessDone) && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("stop postgres: %w", err)
	}
	select {
	case <-p.server.done:
		return nil
	case <-time.After(stopTimeout):
		p.kill()
		return fmt.Errorf("stop postgres: it did not end in %s and was killed; its log ends with:\n%s", stopTimeout, p.cluster.log)
	}
}

func (p *Postgres) kill() {
	if p.server != nil && p.server.running() {
		killFamily(p.server)
		waitDetached(p.dir.path)
	}
}

func closedChannel() chan struct{} {
	closed := make(chan struct{})
	close(closed)
	return closed
}
