package proc

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"oprun.example/internal/devstack"
)

// logBuffer is a log that other goroutines write and the test reads.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(line []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(line)
}

func (b *logBuffer) logger() *slog.Logger { return slog.New(slog.NewJSONHandler(b, nil)) }

// waitFor waits until the log contains every one of these words.
func (b *logBuffer) waitFor(t *testing.T, words ...string) {
	t.Helper()
	var text string
	eventually(t, func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		text = b.text.String()
		for _, word := range words {
			if !strings.Contains(text, word) {
				return false
			}
		}
		return true
	}, func() string { return "the log lacks one of " + strings.Join(words, ", ") + ":\n" + text })
}

func eventually(t *testing.T, fact func() bool, complaint func() string) {
	t.Helper()
	retry := time.NewTicker(5 * time.Millisecond)
	defer retry.Stop()
	for deadline := time.Now().Add(20 * time.Second); !fact(); <-retry.C {
		if time.Now().After(deadline) {
			t.Fatal(complaint())
		}
	}
}

// natsServer starts a server on a port, with one user who may publish to allowed only.
func natsServer(t *testing.T, configure func(*server.Options)) *devstack.NATS {
	t.Helper()
	running, err := devstack.StartNATS(devstack.NATSConfig{Port: -1, Configure: configure})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := running.Close(); err != nil {
			t.Error(err)
		}
	})
	return running
}

func withPassword(options *server.Options) {
	options.Users = []*server.User{{
		Username: "worker", Password: secret,
		Permissions: &server.Permissions{Publish: &server.SubjectPermission{Allow: []string{"allowed"}}},
	}}
}

func TestConnectNATS(t *testing.T) {
	t.Parallel()
	t.Run("survives a restart of the server and logs it", func(t *testing.T) {
		t.Parallel()
		var log logBuffer
		running := natsServer(t, nil)
		conn, err := ConnectNATS(t.Context(), NATSConfig{URL: running.URL(), Name: "proc test"}, log.logger(), DefaultWait)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := running.Restart(); err != nil {
			t.Fatal(err)
		}
		eventually(t, func() bool { return conn.Stats().Reconnects == 1 && conn.IsConnected() }, func() string { return "no reconnect" })
		log.waitFor(t, "connection lost", "connection restored")
	})
	t.Run("waits for a server that comes up late", func(t *testing.T) {
		t.Parallel()
		running := natsServer(t, nil)
		address := running.URL()
		running.Stop()
		started := make(chan error)
		time.AfterFunc(300*time.Millisecond, func() { started <- running.Restart() })
		conn, err := ConnectNATS(t.Context(), NATSConfig{URL: address}, slog.New(slog.DiscardHandler), DefaultWait)
		if startErr := errors.Join(err, <-started); startErr != nil {
			t.Fatal(startErr)
		}
		conn.Close()
	})
	t.Run("logs a subject that the server refuses", func(t *testing.T) {
		t.Parallel()
		var log logBuffer
		running := natsServer(t, withPassword)
		address := strings.Replace(running.URL(), "nats://", "nats://worker:"+secret+"@", 1)
		conn, err := ConnectNATS(t.Context(), NATSConfig{URL: address}, log.logger(), DefaultWait)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := conn.Publish("forbidden", nil); err != nil {
			t.Fatal(err)
		}
		log.waitFor(t, "nats refused a subject", "forbidden")
	})
	t.Run("logs a slow consumer with its subject", func(t *testing.T) {
		t.Parallel()
		var log logBuffer
		logNATSError(log.logger(), &nats.Subscription{Subject: "events.>"}, nats.ErrSlowConsumer)
		logNATSError(log.logger(), nil, errors.New("odd"))
		log.waitFor(t, "slow consumer", `"subject":"events.>"`, "odd")
	})
}

func TestConnectNATSThatFails(t *testing.T) {
	t.Parallel()
	t.Run("a refused user ends the wait at once", func(t *testing.T) {
		t.Parallel()
		running := natsServer(t, withPassword)
		address := strings.Replace(running.URL(), "nats://", "nats://worker:not"+secret+"@", 1)
		_, err := ConnectNATS(t.Context(), NATSConfig{URL: address}, slog.New(slog.DiscardHandler), time.Hour)
		wantError(t, err, Unavailable, "NATS_URL")
	})
	t.Run("a server that is not there is unavailable", func(t *testing.T) {
		t.Parallel()
		running := natsServer(t, nil)
		address := strings.Replace(running.URL(), "nats://", "nats://"+secret+"@", 1) // a token
		running.Stop()
		_, err := ConnectNATS(t.Context(), NATSConfig{URL: address}, slog.New(slog.DiscardHandler), 100*time.Millisecond)
		wantError(t, err, Unavailable, "NATS_URL")
	})
	t.Run("what cannot be read is a usage error", func(t *testing.T) {
		t.Parallel()
		_, err := ConnectNATS(t.Context(), NATSConfig{URL: "nats://a:1,nats://user:" + secret + "%zz@host"}, nil, 0)
		wantError(t, err, Usage, "NATS_URL")
		_, err = ConnectNATS(t.Context(), NATSConfig{Creds: t.TempDir() + "/none"}, nil, 0)
		wantError(t, err, Usage, "NATS_CREDS")
	})
}

func TestRedactNATS(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"nats://host:4222":                         "nats://host:4222",
		"host:4222":                                "nats://host:4222",
		"nats://user:" + secret + "@host:4222":     "nats://xxxxx@host:4222",
		"tls://" + secret + "@a:1, nats://u:p@b:2": "tls://xxxxx@a:1,nats://xxxxx@b:2",
		"nats://user:" + secret + "%zz@host":       "(unreadable)",
	} {
		if got := RedactNATS(address); got != want {
			t.Errorf("RedactNATS(%q) is %q, want %q", address, got, want)
		}
	}
}
