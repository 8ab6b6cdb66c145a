package jobstest

import (
	"context"
	"log/slog"
	"net"
	"sync"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/nats-io/nats.go"
)

// line is what one worker's connections go over: it can stand still, as when a process is stopped, or be cut for good, as
// when it is killed.
type line struct {
	mu      sync.Mutex
	flowing chan struct{} // closed while bytes flow
	held    bool
	severed bool
	wires   map[*wire]bool
}

func newLine() *line {
	l := &line{flowing: make(chan struct{}), wires: map[*wire]bool{}}
	close(l.flowing)
	return l
}

// hold lets no byte through until flow; connections stay open.
func (l *line) hold() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.held && !l.severed {
		l.held, l.flowing = true, make(chan struct{})
	}
}

func (l *line) flow() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held {
		l.held = false
		close(l.flowing)
	}
}

// sever closes all connections, and there will be no others.
func (l *line) sever() {
	l.mu.Lock()
	l.severed = true
	wires := l.wires
	l.wires = nil
	l.mu.Unlock()
	for w := range wires {
		_ = w.Conn.Close()
	}
	l.flow()
}

func (l *line) dead() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.severed
}

// pass waits until bytes flow; false: they never will again.
func (l *line) pass() bool {
	l.mu.Lock()
	flowing := l.flowing
	l.mu.Unlock()
	<-flowing
	return !l.dead()
}

// lay puts a new connection on the line.
func (l *line) lay(conn net.Conn, err error) (net.Conn, error) {
	if err != nil {
		return nil, err
	}
	w := &wire{conn, l}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.severed {
		_ = conn.Close()
		return nil, net.ErrClosed
	}
	l.wires[w] = true
	return w, nil
}

// wire is one connection.
type wire struct {
	net.Conn
	line *line
}

func (w *wire) Read(b []byte) (int, error) {
	n, err := w.Conn.Read(b)
	if !w.line.pass() {
		return 0, net.ErrClosed
	}
	return n, err
}

func (w *wire) Write(b []byte) (int, error) {
	if !w.line.pass() {
		return 0, net.ErrClosed
	}
	return w.Conn.Write(b)
}

func (w *wire) Close() error {
	w.line.mu.Lock()
	delete(w.line.wires, w)
	w.line.mu.Unlock()
	return w.Conn.Close()
}

// toPostgres has a way to dial go over the line.
func (l *line) toPostgres(dial pgconn.DialFunc) pgconn.DialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		return l.lay(dial(ctx, network, address))
	}
}

// toNATS returns the options of a connection with those of another one's over the line. What that one's owner wants to be
// told of it is none of this one's business.
func (l *line) toNATS(options nats.Options) nats.Options {
	options.ClosedCB, options.DisconnectedErrCB, options.ReconnectedCB = nil, nil, nil
	options.ConnectedCB, options.DiscoveredServersCB, options.LameDuckModeHandler = nil, nil, nil
	options.ReconnectErrCB = nil
	options.AsyncErrorCB = func(*nats.Conn, *nats.Subscription, error) {}
	options.AllowReconnect, options.MaxReconnect = true, -1
	if options.InProcessServer != nil {
		options.InProcessServer = inProcess{options.InProcessServer, l}
		return options
	}
	options.CustomDialer = dialer{options.CustomDialer, &net.Dialer{Timeout: options.Timeout}, l}
	return options
}

type inProcess struct {
	nats.InProcessConnProvider
	line *line
}

// InProcessConn implements nats.InProcessConnProvider.
func (p inProcess) InProcessConn() (net.Conn, error) {
	return p.line.lay(p.InProcessConnProvider.InProcessConn())
}

type dialer struct {
	theirs nats.CustomDialer // nil: none
	plain  *net.Dialer
	line   *line
}

// Dial implements nats.CustomDialer.
func (d dialer) Dial(network, address string) (net.Conn, error) {
	if d.theirs == nil {
		return d.line.lay(d.plain.DialContext(context.Background(), network, address))
	}
	return d.line.lay(d.theirs.Dial(network, address))
}

// SkipTLSHandshake is theirs, if they have one.
func (d dialer) SkipTLSHandshake() bool {
	theirs, ok := d.theirs.(interface{ SkipTLSHandshake() bool })
	return ok && theirs.SkipTLSHandshake()
}

// mortal is the log of a worker, which says no more when its line is cut.
type mortal struct {
	slog.Handler
	line *line
}

// Enabled implements slog.Handler.
func (m mortal) Enabled(ctx context.Context, level slog.Level) bool {
	return !m.line.dead() && m.Handler.Enabled(ctx, level)
}

// WithAttrs implements slog.Handler.
func (m mortal) WithAttrs(attrs []slog.Attr) slog.Handler {
	return mortal{m.Handler.WithAttrs(attrs), m.line}
}

// WithGroup implements slog.Handler.
func (m mortal) WithGroup(name string) slog.Handler { return mortal{m.Handler.WithGroup(name), m.line} }
