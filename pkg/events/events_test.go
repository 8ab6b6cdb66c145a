package events

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"oprun.example/pkg/dedupe"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	tenantID = uuid.MustParse("6f9619ff-8b86-4d01-b42d-00cf4fc964e1")
	tenant   = dedupe.Tenant(tenantID)
	runUUID  = uuid.MustParse("019236f0-8b86-7d01-b42d-00cf4fc964e1")
	stored   = time.Unix(1763856000, 123456789)
)

const (
	fetchType    = "assignments.fetch"
	fetchSubject = "jobs.tenant.6f9619ff-8b86-4d01-b42d-00cf4fc964e1.assignments.fetch"
)

// identity is some identity of the fetch type.
func identity(t testing.TB) dedupe.Identity {
	t.Helper()
	id, err := dedupe.Rule{}.Identify(tenant, fetchType, []byte(`{}`), dedupe.Occurrence{})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// deadline is far beyond what any test takes; it keeps a broken one from hanging.
func deadline(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// startServer runs a NATS server of the test's own, in process and with JetStream.
func startServer(t testing.TB, options *server.Options) *server.Server {
	t.Helper()
	options.DontListen = options.Port == 0
	options.NoLog, options.NoSigs = true, true
	if options.StoreDir == "" {
		options.StoreDir = t.TempDir()
	}
	s, err := server.NewServer(options)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	if !s.ReadyForConnections(30 * time.Second) {
		t.Fatal("the server does not start")
	}
	return s
}

// connect returns a connection that is closed, with all its goroutines, before the server is.
func connect(t testing.TB, s *server.Server, options ...nats.Option) *nats.Conn {
	t.Helper()
	closed := make(chan struct{}) // closed by the connection's callback
	options = append(options, nats.ClosedHandler(func(*nats.Conn) { close(closed) }))
	url := ""
	if s.Addr() != nil {
		url = s.ClientURL()
	} else {
		options = append(options, nats.InProcessServer(s))
	}
	conn, err := nats.Connect(url, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Close()
		<-closed
	})
	return conn
}

// newJetStream returns JetStream on a server of the test's own.
func newJetStream(t testing.TB) jetstream.JetStream {
	t.Helper()
	return jetStreamOn(t, connect(t, startServer(t, &server.Options{JetStream: true})))
}

func jetStreamOn(t testing.TB, conn *nats.Conn) jetstream.JetStream {
	t.Helper()
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// newStream returns JetStream with the default topology.
func newStream(t testing.TB) jetstream.JetStream {
	t.Helper()
	js := newJetStream(t)
	if _, err := DefaultTopology().Apply(deadline(t), js, false); err != nil {
		t.Fatal(err)
	}
	return js
}
