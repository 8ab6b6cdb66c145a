package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"oprun.example/internal/devstack"
	"oprun.example/internal/proc"
	"oprun.example/pkg/events"
)

// A user who may not publish hears so at once: without that, each job would time out, and be tried again, and time out.
func TestPublishWithoutTheRightToSaysSo(t *testing.T) {
	t.Parallel()
	const tenant = "6f9619ff-8b86-4d01-b42d-00c04fc964ff"
	broker, err := devstack.StartNATS(devstack.NATSConfig{Port: -1, Configure: func(options *server.Options) {
		deny := &server.SubjectPermission{Deny: []string{"jobs.tenant." + tenant + ".>"}}
		options.Users = []*server.User{{Username: "ops", Password: "p"}, {Username: "web", Password: "p", Permissions: &server.Permissions{Publish: deny}}}
	}})
	check(t, err)
	t.Cleanup(func() { check(t, broker.Close()) })
	conn, err := broker.Connect(nats.UserInfo("ops", "p"))
	check(t, err)
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	check(t, err)
	_, err = events.DefaultTopology().Apply(t.Context(), js, false)
	check(t, err)

	dir := t.TempDir()
	jobs, types := filepath.Join(dir, "jobs.ndjson"), filepath.Join(dir, "jobs.yaml")
	check(t, os.WriteFile(jobs, []byte("{}\n{}\n"), 0o600))
	check(t, os.WriteFile(types, []byte("version: 1\njobs:\n  greetings.each: {scope: tenant, identity: [], identity_mode: request}\n"), 0o600))
	for name, command := range map[string][]string{
		"one":  {"publish", "--type", "greetings.each", "--tenant", tenant},
		"many": {"publish", "--type", "greetings.each", "--tenant", tenant, "--from", jobs},
		"load": {"load", "--types", "greetings.each", "--tenants", tenant},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out, log bytes.Buffer
			args := append(command, "--catalog", types, "--nats-url", strings.Replace(broker.URL(), "//", "//web:p@", 1), "--database-url", "")
			err := run(t.Context(), args, streams{strings.NewReader(""), &out, &log})
			told, ok := errors.AsType[*proc.Error](err)
			if !ok || told.Code != proc.Failed || !strings.Contains(err.Error(), "this user may not publish here") || !strings.Contains(told.Hint, "NATS_CREDS") {
				t.Errorf("got %v\n%s%s", err, &out, &log)
			}
			if name == "many" && !strings.Contains(err.Error(), "every line up to line 0 is in the stream") {
				t.Errorf("got %v", err)
			}
		})
	}
}
