package admin

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestReadiness(t *testing.T) {
	t.Parallel()
	well := Check{"nats", func(context.Context) error { return nil }}
	away := Check{"postgres", func(context.Context) error { return errors.New("does not answer:\n\x1b[31mrefused") }}
	deaf := Check{"schema", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}

	for name, test := range map[string]struct {
		checks []Check
		status int
		body   string
	}{
		"without checks it is ready":            {nil, http.StatusOK, "ready\n"},
		"all well is ready":                     {[]Check{well}, http.StatusOK, "ready\nnats: ok\n"},
		"one fault is named, on one clean line": {[]Check{away, well}, http.StatusServiceUnavailable, "not ready\npostgres: does not answer: [31mrefused\nnats: ok\n"},
		"no answer is a fault":                  {[]Check{deaf}, http.StatusServiceUnavailable, "not ready\nschema: no answer in 50ms\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, handler := metrics(t, MetricsConfig{Ready: test.checks, Patience: 50 * time.Millisecond})
			recorder := httptest.NewRecorder()
			handler.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/readyz", nil))
			if recorder.Code != test.status || recorder.Body.String() != test.body {
				t.Errorf("got %d %q", recorder.Code, recorder.Body)
			}
			alive := httptest.NewRecorder()
			handler.ServeHTTP(alive, httptest.NewRequest(http.MethodGet, "/healthz", nil))
			if alive.Code != http.StatusOK {
				t.Errorf("not alive: %d", alive.Code)
			}
		})
	}
}

func TestReadinessAsksOnceAtATime(t *testing.T) {
	t.Parallel()
	release, asked := make(chan struct{}), make(chan struct{}, 10)
	stuck := Check{"postgres", func(context.Context) error {
		asked <- struct{}{}
		<-release // deaf to its context
		return nil
	}}
	_, handler := metrics(t, MetricsConfig{Ready: []Check{stuck}, Patience: 20 * time.Millisecond})
	for _, want := range []string{"no answer in 20ms", "it was asked before and has not answered"} {
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/readyz", nil))
		if !strings.Contains(recorder.Body.String(), want) {
			t.Errorf("got %q, want %q", recorder.Body, want)
		}
	}
	if len(asked) != 1 {
		t.Errorf("asked %d times", len(asked))
	}
	close(release)
}
