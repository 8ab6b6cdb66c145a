package devstack

import (
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// startNATS starts a server that is closed after the test.
func startNATS(t *testing.T, config NATSConfig) *NATS {
	t.Helper()
	n, err := StartNATS(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

// jetStream connects, through memory or by an address.
func jetStream(t *testing.T, conn *nats.Conn, err error) jetstream.JetStream {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

func TestNATSRestartKeepsStreamsPortAndConnections(t *testing.T) {
	t.Parallel()
	n := startNATS(t, NATSConfig{Port: -1})
	address := n.URL()
	inMemory, err := n.Connect(nats.ReconnectWait(10*time.Millisecond), nats.MaxReconnects(-1))
	js := jetStream(t, inMemory, err)
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "JOBS", Subjects: []string{"jobs.>"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(t.Context(), "jobs.one", nil); err != nil {
		t.Fatal(err)
	}

	n.Stop()
	n.Stop() // a stopped server stays stopped
	if _, err := nats.Connect(address); err == nil {
		t.Error("it still listens")
	}
	if err := n.Restart(); err != nil {
		t.Fatal(err)
	}
	if n.URL() != address {
		t.Errorf("address %s, was %s", n.URL(), address)
	}
	overTCP, err := nats.Connect(address)
	stream, err := jetStream(t, overTCP, err).Stream(t.Context(), "JOBS")
	if err != nil {
		t.Fatal(err)
	}
	if messages := stream.CachedInfo().State.Msgs; messages != 1 {
		t.Errorf("%d messages, want 1", messages)
	}
	eventually(t, "the connection through memory comes back", inMemory.IsConnected)
	if _, err := js.Publish(t.Context(), "jobs.two", nil); err != nil {
		t.Error(err)
	}
}

func TestNATSFolders(t *testing.T) {
	t.Parallel()
	t.Run("its own is removed", func(t *testing.T) {
		t.Parallel()
		n := startNATS(t, NATSConfig{})
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
		if exists(n.own.path) {
			t.Errorf("%s is left behind", n.own.path)
		}
		if err := n.Restart(); err == nil {
			t.Error("it starts after Close")
		}
	})
	t.Run("the caller's stays", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		for _, create := range []bool{true, false} {
			n := startNATS(t, NATSConfig{StoreDir: dir, Durable: true})
			conn, err := n.Connect()
			js := jetStream(t, conn, err)
			if create {
				_, err = js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "KEPT"})
			} else {
				_, err = js.Stream(t.Context(), "KEPT")
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := n.Close(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestNATSPorts(t *testing.T) {
	t.Parallel()
	t.Run("without a port it has no address", func(t *testing.T) {
		t.Parallel()
		if n := Server(t); n.URL() != "" {
			t.Errorf("address %q", n.URL())
		}
	})
	t.Run("a taken port is an error that names it, at once", func(t *testing.T) {
		t.Parallel()
		first := startNATS(t, NATSConfig{Port: -1})
		start := time.Now()
		_, err := StartNATS(NATSConfig{Port: first.port})
		if err == nil || !strings.Contains(err.Error(), "address already in use") {
			t.Errorf("got %v", err)
		}
		if took := time.Since(start); took > natsPatience/2 {
			t.Errorf("it took %s", took)
		}
	})
	t.Run("options have the last word", func(t *testing.T) {
		t.Parallel()
		n := startNATS(t, NATSConfig{Configure: func(options *server.Options) { options.MaxPayload = 100 }})
		conn, err := n.Connect()
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if conn.MaxPayload() != 100 {
			t.Errorf("max payload %d", conn.MaxPayload())
		}
	})
}
