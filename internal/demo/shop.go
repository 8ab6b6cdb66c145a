package demo

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// shop is the receiver of the http jobs: it takes each idempotency key once, as such a receiver must.
type shop struct {
	listener net.Listener
	server   *http.Server
	done     chan struct{}
}

func openShop(pool *pgxpool.Pool) (*shop, error) {
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := pool.Exec(r.Context(), "insert into orders values ($1) on conflict do nothing", r.Header.Get("Idempotency-Key"))
		if err != nil {
			http.Error(w, "the order was not taken", http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte(`{"summary_counts": {"created": 1}}`))
	})
	s := &shop{listener: listener, done: make(chan struct{}), server: &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}}
	go func() {
		defer close(s.done)
		if err := s.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			_ = listener.Close()
		}
	}()
	return s, nil
}

func (s *shop) url() string { return "http://" + s.listener.Addr().String() + "/orders" }

func (s *shop) close() {
	_ = s.server.Close()
	<-s.done
}
