package bulk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"oprun.example/internal/devstack"
	"oprun.example/pkg/catalog"
	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
)

// Nothing here starts a goroutine; the server that these tests stop in the midst of a batch leaves some behind.
func TestMain(m *testing.M) { os.Exit(devstack.Run(m)) }

const testType = "lines.each"

var tenant = dedupe.Tenant(uuid.MustParse("6f9619ff-8b86-4d01-b42d-00cf4fc964e1"))

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// broker is a server of the test's own, with the stream.
type broker struct {
	*devstack.NATS
	conn *nats.Conn
	js   jetstream.JetStream
}

func newBroker(t *testing.T, configure func(*server.Options), options ...nats.Option) broker {
	t.Helper()
	b := broker{}
	var err error
	b.NATS, err = devstack.StartNATS(devstack.NATSConfig{Port: -1, Configure: configure})
	check(t, err)
	t.Cleanup(func() { check(t, b.Close()) })
	closed := make(chan struct{}) // closed by the connection's callback
	options = append(options, nats.MaxReconnects(-1), nats.ReconnectWait(10*time.Millisecond), nats.ClosedHandler(func(*nats.Conn) { close(closed) }))
	b.conn, err = nats.Connect(b.URL(), options...)
	check(t, err)
	t.Cleanup(func() { b.conn.Close(); <-closed })
	b.js, err = jetstream.New(b.conn)
	check(t, err)
	return b
}

func (b broker) withStream(t *testing.T) broker {
	t.Helper()
	_, err := events.DefaultTopology().Apply(t.Context(), b.js, false)
	check(t, err)
	return b
}

func (b broker) messages(t *testing.T) int {
	t.Helper()
	stream, err := b.js.Stream(t.Context(), "JOBS")
	check(t, err)
	return int(stream.CachedInfo().State.Msgs)
}

// config publishes a file of so many lines.
func (b broker) config(t *testing.T, n int) Config {
	t.Helper()
	types, err := catalog.New(catalog.Catalog{Jobs: map[string]catalog.Job{
		testType: {ScopeKind: dedupe.TenantScope, Identity: []string{"line"}},
	}}, nil)
	check(t, err)
	c := Config{
		From: filepath.Join(t.TempDir(), "jobs.ndjson"), Catalog: types, Defaults: Asked{Type: testType, Scope: tenant},
		Publisher: events.NewPublisher(b.js, events.PublisherConfig{}), Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
	check(t, os.WriteFile(c.From, numbered(1, n), 0o600))
	return c
}

// numbered are lines whose inputs are the numbers from first to last.
func numbered(first, last int) []byte {
	var text bytes.Buffer
	for line := first; line <= last; line++ {
		fmt.Fprintf(&text, "{\"input\": {\"line\": %d}}\n", line)
	}
	return text.Bytes()
}

func mustPublish(t *testing.T, c Config) Report {
	t.Helper()
	report, err := Publish(t.Context(), c)
	check(t, err)
	return report
}

func wantCounts(t *testing.T, got Report, want Counts) {
	t.Helper()
	if got.Counts != want {
		t.Errorf("got %+v, want %+v", got.Counts, want)
	}
}

// stopAfter ends the context when a publication has come to a line.
func stopAfter(t *testing.T, c *Config, line int) context.Context {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	c.Progress = func(r Report) {
		if r.UpTo >= line {
			cancel()
		}
	}
	return ctx
}

var errStop = errors.New("the test stops it")

// breaking is a source that fails after its bytes.
type breaking struct{ io.Reader }

func (b breaking) Read(into []byte) (int, error) {
	n, err := b.Reader.Read(into)
	if errors.Is(err, io.EOF) {
		err = errStop
	}
	return n, err
}
