package torture

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	"oprun.example/internal/devstack"
)

// What the NATS process finds in its environment.
const (
	natsDirEnv  = "OPRUN_TORTURE_NATS_DIR"
	natsPortEnv = "OPRUN_TORTURE_NATS_PORT"
)

// ServeNATS is the NATS process: a server on the port and the store of its environment, until the context ends.
func ServeNATS(ctx context.Context, out io.Writer) error {
	port, err := strconv.Atoi(os.Getenv(natsPortEnv))
	if err != nil {
		return fmt.Errorf("%s: %w", natsPortEnv, err)
	}
	server, err := devstack.StartNATS(devstack.NATSConfig{StoreDir: os.Getenv(natsDirEnv), Port: port, Durable: true})
	if err != nil {
		return err
	}
	defer server.Close()
	fmt.Fprintln(out, server.URL())
	<-withParent(ctx).Done()
	return nil
}

// broker is the NATS process. Its store and its port outlive it.
type broker struct {
	line []string
	env  []string
	port int
	log  io.Writer

	mu  sync.Mutex // held while it is down
	now *process
}

// newBroker chooses a port below those that the kernel gives to outgoing connections: else a client that reconnects
// while the server is down could, one day, take the port for itself.
func newBroker(line []string, dir string, log io.Writer) (*broker, error) {
	for range 100 {
		port := 15000 + rand.IntN(15000)
		listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			continue
		}
		_ = listener.Close()
		env := []string{natsDirEnv + "=" + dir, natsPortEnv + "=" + strconv.Itoa(port)}
		return &broker{line: line, env: env, port: port, log: log}, nil
	}
	return nil, errors.New("no free port for nats-server")
}

func (b *broker) url() string { return fmt.Sprintf("nats://127.0.0.1:%d", b.port) }

// start returns when the server accepts connections.
func (b *broker) start(ctx context.Context) error {
	const patience = 30 * time.Second
	ready := make(chan struct{}, 1)
	p, err := launch(ctx, b.line, b.env, b.log, func([]byte) {
		select {
		case ready <- struct{}{}:
		default:
		}
	})
	if err != nil {
		return err
	}
	b.now = p
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-ready:
		return nil
	case <-p.done:
		return errors.New("nats-server ended before it was ready")
	case <-timer.C:
	case <-ctx.Done():
	}
	p.signal(syscall.SIGKILL)
	<-p.done
	return errors.New("nats-server was not ready in time")
}

// crash kills the server, leaves it down for a while, and starts it again on the same store.
func (b *broker) crash(ctx context.Context, down time.Duration) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now.signal(syscall.SIGKILL)
	<-b.now.done
	wait(ctx, down)
	return b.start(context.WithoutCancel(ctx))
}

func (b *broker) stop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.now != nil {
		b.now.signal(syscall.SIGKILL)
		<-b.now.done
	}
}

// wait waits for so long, or until the context ends, which it tells.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
