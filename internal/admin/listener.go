package admin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

const (
	headerTimeout   = 5 * time.Second
	idleTimeout     = 2 * time.Minute
	shutdownTimeout = 2 * time.Second
)

// Listener is one port on which the process answers its operator.
type Listener struct {
	socket net.Listener
	server *http.Server
}

// Listen takes the port of address, "host:port" or ":port"; port 0 takes a free one, which Addr tells. Requests wait
// until Run answers them; ctx is for looking up the host. The error wraps syscall.EADDRINUSE when the port is taken,
// and a *net.AddrError when the text is no address. After that the caller must call Run.
func Listen(ctx context.Context, address string, handler http.Handler, log *slog.Logger) (*Listener, error) {
	socket, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", address, err)
	}
	return &Listener{socket, &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		// What a port scanner does to us is no warning.
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}}, nil
}

// Addr returns where the listener listens, "host:port" with the port that was taken.
func (l *Listener) Addr() string { return l.socket.Addr().String() }

// Run answers until ctx ends, and then lets requests in flight finish for up to two seconds. It returns when the port
// is free again: nil after an asked-for stop.
func (l *Listener) Run(ctx context.Context) error {
	stopped := make(chan struct{}) // closed by the goroutine below
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		l.shutdown()
	})
	err := l.server.Serve(l.socket)
	if stop() {
		close(stopped) // the function above will not run
	}
	<-stopped
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serve on %s: %w", l.Addr(), err)
}

func (l *Listener) shutdown() {
	ctx, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	if err := l.server.Shutdown(ctx); err != nil {
		_ = l.server.Close() // a request that does not end; its connection is all there is to lose
	}
}
