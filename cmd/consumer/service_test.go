package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"oprun.example/internal/devstack"
	"oprun.example/migrations"
)

// logBuffer is what a running consumer has written to stderr so far.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

const oneTypeCatalog = `version: 1
jobs: {greetings.send: {scope: tenant, identity: [name]}}
handlers: {greetings.send: {exec: ["true"]}}
`

// The metrics listener answers, and says what is away, while Postgres and NATS come and go.
func TestReadinessFollowsTheServices(t *testing.T) {
	t.Parallel()
	postgres, server := devstack.PrivatePostgres(t, devstack.PostgresConfig{}), startNATS(t)
	migrate(t, postgres.URL("postgres"))
	file := filepath.Join(t.TempDir(), "jobs.yaml")
	if err := os.WriteFile(file, []byte(oneTypeCatalog), 0o600); err != nil {
		t.Fatal(err)
	}
	flags := []string{"--database-url", postgres.URL("postgres"), "--nats-url", server.URL(), "--log-format", "text"}
	if err := run(t.Context(), append([]string{"topology", "apply", "--dev"}, flags...), streams{io.Discard, io.Discard}); err != nil {
		t.Fatal(err)
	}

	if err := postgres.Stop(); err != nil {
		t.Fatal(err)
	}
	log := &logBuffer{}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, append([]string{"run", "--catalog", file, "--metrics-listen", "127.0.0.1:0", "--connect-timeout", "2m"}, flags...), streams{io.Discard, log})
	}()
	var address string
	poll(t, "the listener", func() bool {
		if found := regexp.MustCompile(`metrics listener started.*address=(\S+)`).FindStringSubmatch(log.String()); found != nil {
			address = found[1]
		}
		return address != ""
	})
	says := func(line string) {
		t.Helper()
		poll(t, line, func() bool { return strings.Contains(read(t, "http://"+address+"/readyz"), line+"\n") })
	}

	shows := func(line string) {
		t.Helper()
		poll(t, line, func() bool { return strings.Contains(read(t, "http://"+address+"/metrics"), "\n"+line+"\n") })
	}

	says("postgres: not connected yet")
	shows("oprun_ledger_up 0")
	if err := postgres.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	says("consumer: ok")
	poll(t, "the worker", func() bool { return strings.Contains(log.String(), "worker started") }) // a worker that starts needs its services
	shows("oprun_ledger_up 1")
	if err := postgres.Stop(); err != nil {
		t.Fatal(err)
	}
	shows("oprun_ledger_up 0")
	if text := read(t, "http://"+address+"/healthz"); text != "alive\n" {
		t.Errorf("the process says %q of itself while postgres is away", text)
	}
	says("postgres: does not answer")
	says("schema: not known: postgres does not answer")
	if text := read(t, "http://"+address+"/metrics"); !strings.Contains(text, "oprun_slots_available") || strings.Contains(text, "oprun_ledger_active_runs{") {
		t.Errorf("the metrics while postgres is away: %s", text)
	}
	if err := postgres.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	says("schema: ok")
	shows("oprun_ledger_up 1")
	server.Stop()
	says("nats: the connection is lost, trying again")
	says("consumer: not known: the connection to nats is lost")
	if err := server.Restart(); err != nil {
		t.Fatal(err)
	}
	says("consumer: ok")
	says("ready")

	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func startNATS(t *testing.T) *devstack.NATS {
	t.Helper()
	server, err := devstack.StartNATS(devstack.NATSConfig{Port: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return server
}

func migrate(t *testing.T, address string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := migrations.Up(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
}

// poll waits for a fact under a deadline.
func poll(t *testing.T, what string, fact func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !fact() {
		if time.Now().After(deadline) {
			t.Fatalf("waited %s in vain: %s", patience, what)
		}
		<-tick.C
	}
}

func read(t *testing.T, url string, headers ...string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	answer, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
