package devstack

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// NATSConfig says how an in-process server runs. The zero value works: JetStream on files in a temporary folder, and
// no port.
type NATSConfig struct {
	// StoreDir keeps the streams and outlives Close; empty: a temporary folder that Close removes.
	StoreDir string
	// Port on 127.0.0.1; 0: none, only Connect reaches the server; -1: a free one, the same after Restart.
	Port int
	// Durable syncs every message to disk before it is acknowledged (sync_interval: always), as production does.
	Durable bool
	// Configure has the last word on the server's options (accounts, users, limits); nil: none.
	Configure func(*server.Options)
}

// NATS is a nats-server inside this process, with JetStream. It handles no signals and writes no log. Its methods may
// be called from many goroutines; Stop, Restart and Close wait for each other.
type NATS struct {
	config NATSConfig
	own    *workdir // nil: StoreDir is the caller's

	mu     sync.Mutex
	server *server.Server
	port   int // once a free one was chosen, Restart takes it again
	closed bool
}

// natsPatience bounds the start of a server; it takes about 10 ms.
const natsPatience = 20 * time.Second

// StartNATS starts a server and returns when it accepts connections. A taken port is an error that names it. After
// that the caller must call Close.
func StartNATS(config NATSConfig) (*NATS, error) {
	n := &NATS{config: config, port: config.Port}
	if config.StoreDir == "" {
		dir, err := makeWorkdir("")
		if err != nil {
			return nil, err
		}
		n.own, n.config.StoreDir = dir, filepath.Join(dir.path, "jetstream")
	}
	if err := n.Restart(); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

// URL is the address for NATS_URL; empty when the server has no port. It stays the same over Restart.
func (n *NATS) URL() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.port == 0 {
		return ""
	}
	return fmt.Sprintf("nats://127.0.0.1:%d", n.port)
}

// Connect opens a connection through memory, which needs no port. It reconnects after Restart like any other, when
// its options allow that. The caller closes it.
func (n *NATS) Connect(options ...nats.Option) (*nats.Conn, error) {
	conn, err := nats.Connect(n.URL(), append([]nats.Option{nats.InProcessServer(n)}, options...)...)
	if err != nil {
		return nil, fmt.Errorf("connect to the in-process nats-server: %w", err)
	}
	return conn, nil
}

// InProcessConn makes *NATS the nats.InProcessConnProvider of Connect: a reconnect reaches the server that runs now.
func (n *NATS) InProcessConn() (net.Conn, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.server == nil {
		return nil, errors.New("the in-process nats-server is stopped")
	}
	return n.server.InProcessConn()
}

// Stop shuts the server down and returns when it is gone. The streams stay for Restart; stopping a stopped server is
// nothing.
func (n *NATS) Stop() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.stop()
}

// Restart starts the server again on the same streams and port. A server that still runs is stopped first.
func (n *NATS) Restart() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return errors.New("start nats-server: it is closed")
	}
	n.stop()
	running, err := launchNATS(n.options())
	if err != nil {
		return err
	}
	n.server = running
	if address, ok := running.Addr().(*net.TCPAddr); ok {
		n.port = address.Port
	}
	return nil
}

// Close stops the server and removes its streams, unless StoreDir was the caller's. A second call does nothing.
func (n *NATS) Close() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.closed = true
	n.stop()
	if n.own == nil {
		return nil
	}
	return n.own.remove()
}

func (n *NATS) stop() {
	if n.server == nil {
		return
	}
	n.server.Shutdown()
	n.server.WaitForShutdown()
	n.server = nil
}

func (n *NATS) options() *server.Options {
	options := &server.Options{
		ServerName: "oprun-dev",
		Host:       "127.0.0.1",
		Port:       n.port,
		DontListen: n.port == 0,
		JetStream:  true,
		StoreDir:   n.config.StoreDir,
		SyncAlways: n.config.Durable,
		NoSigs:     true,
		NoLog:      true,
	}
	if n.config.Configure != nil {
		n.config.Configure(options)
	}
	return options
}

// launchNATS starts a server and waits until it is ready or says why it never will be.
func launchNATS(options *server.Options) (*server.Server, error) {
	s, err := server.NewServer(options)
	if err != nil {
		return nil, fmt.Errorf("start nats-server: %w", err)
	}
	log := &natsLog{fatal: make(chan string, 1)}
	s.SetLoggerV2(log, false, false, false)
	s.Start()
	if err = log.await(s); err == nil {
		return s, nil
	}
	s.Shutdown()
	s.WaitForShutdown()
	return nil, fmt.Errorf("start nats-server: %w", err)
}

// natsLog drops everything but the reason why a server cannot go on, which nats-server tells to its log alone.
type natsLog struct {
	fatal chan string // capacity 1, never closed: the first reason counts
}

func (l *natsLog) Fatalf(format string, args ...any) {
	select {
	case l.fatal <- fmt.Sprintf(format, args...):
	default:
	}
}

// await returns when s is ready, or with the reason why it never will be.
func (l *natsLog) await(s *server.Server) error {
	for deadline := time.Now().Add(natsPatience); time.Now().Before(deadline); {
		if s.ReadyForConnections(30 * time.Millisecond) {
			return nil
		}
		select {
		case reason := <-l.fatal:
			return errors.New(reason)
		default:
		}
	}
	return fmt.Errorf("it was not ready in %s", natsPatience)
}

func (*natsLog) Noticef(string, ...any) {}
func (*natsLog) Warnf(string, ...any)   {}
func (*natsLog) Errorf(string, ...any)  {}
func (*natsLog) Debugf(string, ...any)  {}
func (*natsLog) Tracef(string, ...any)  {}
