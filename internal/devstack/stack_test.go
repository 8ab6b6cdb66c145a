package devstack

import (
	"context"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
)

func TestStack(t *testing.T) {
	t.Parallel()
	t.Run("gives both addresses and leaves nothing", func(t *testing.T) {
		t.Parallel()
		tmp := tempFolder(t)
		stack, err := Start(t.Context(), Config{Postgres: PostgresConfig{Dir: tmp}})
		if err != nil {
			t.Fatal(err)
		}
		defer stack.Close()
		env := map[string]string{}
		for _, variable := range stack.Env() {
			name, value, _ := strings.Cut(variable, "=")
			env[name] = value
		}
		if name := query[string](t, connect(t, env["DATABASE_URL"]), "SELECT current_database()"); name != "oprun" {
			t.Errorf("database %q", name)
		}
		conn, err := nats.Connect(env["NATS_URL"])
		if err != nil {
			t.Fatal(err)
		}
		conn.Close()
		for range 2 {
			if err := stack.Close(); err != nil {
				t.Fatal(err)
			}
		}
		wantEmpty(t, tmp)
		if exists(stack.NATS.own.path) {
			t.Errorf("%s is left behind", stack.NATS.own.path)
		}
	})
	t.Run("a cancelled start leaves nothing", func(t *testing.T) {
		t.Parallel()
		tmp := tempFolder(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if stack, err := Start(ctx, Config{Postgres: PostgresConfig{Dir: tmp}}); err == nil {
			t.Error("it started", stack.Close())
		}
		wantEmpty(t, tmp)
	})
	t.Run("a second one on a taken port fails before postgres starts", func(t *testing.T) {
		t.Parallel()
		tmp := tempFolder(t)
		taken := startNATS(t, NATSConfig{Port: -1})
		if stack, err := Start(t.Context(), Config{Postgres: PostgresConfig{Dir: tmp}, NATS: NATSConfig{Port: taken.port}}); err == nil {
			t.Error("it started", stack.Close())
		}
		wantEmpty(t, tmp)
	})
}
