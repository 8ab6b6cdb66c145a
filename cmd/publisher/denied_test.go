package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"oprun.example/internal/devstack"
	"oprun.example/internal/proc"
	"oprun.example/pkg/events"
	"oprun.example/pkg/oprun"
)

// brokerDenying has the stream with a message in it, and a user who has these rights only. It returns this user's address, and what
// another has, who may do all.
func brokerDenying(t *testing.T, rights server.Permissions) (asWeb string, js jetstream.JetStream) {
	t.Helper()
	broker, err := devstack.StartNATS(devstack.NATSConfig{Port: -1, Configure: func(options *server.Options) {
		options.Users = []*server.User{{Username: "ops", Password: "p"}, {Username: "web", Password: "p", Permissions: &rights}}
	}})
	check(t, err)
	t.Cleanup(func() { check(t, broker.Close()) })
	conn, err := broker.Connect(nats.UserInfo("ops", "p"))
	check(t, err)
	t.Cleanup(conn.Close)
	js, err = jetstream.New(conn)
	check(t, err)
	_, err = events.DefaultTopology().Apply(t.Context(), js, false)
	check(t, err)
	_, err = js.Publish(t.Context(), "jobs.tenant.6f9619ff-8b86-4d01-b42d-00c04fc964ff.greetings.each", []byte("{}"))
	check(t, err)
	return strings.Replace(broker.URL(), "//", "//web:p@", 1), js
}

// notPublishing are all rights but that to publish this.
func notPublishing(subject string) server.Permissions {
	return server.Permissions{Publish: &server.SubjectPermission{Deny: []string{subject}}}
}

// A user who may not publish hears so at once: without that, each job would time out, and be tried again, and time out.
func TestPublishWithoutTheRightToSaysSo(t *testing.T) {
	t.Parallel()
	const tenant = "6f9619ff-8b86-4d01-b42d-00c04fc964ff"
	asWeb, _ := brokerDenying(t, notPublishing("jobs.tenant."+tenant+".>"))
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
			args := append(command, "--catalog", types, "--nats-url", asWeb, "--database-url", "")
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

// So does one who may not publish what was recorded, with its line and with what had been published.
func TestReplayWithoutTheRightToPublishSaysWhere(t *testing.T) {
	t.Parallel()
	asWeb, _ := brokerDenying(t, notPublishing("jobs.>"))
	database, _, tenant := seededLedger(t)
	file := filepath.Join(t.TempDir(), "jobs.ndjson")
	line := recordedLine(tenant, 1) + recordedLine(tenant, 2)
	check(t, os.WriteFile(file, []byte(line), 0o600))
	var out, log bytes.Buffer
	err := run(t.Context(), []string{"replay", file, "--no-wait", "--nats-url", asWeb, "--database-url", database}, streams{strings.NewReader(""), &out, &log})
	told, ok := errors.AsType[*proc.Error](err)
	if !ok || told.Code != proc.Failed || !strings.HasPrefix(err.Error(), "line 1: this user may not publish here: ") || strings.Contains(err.Error(), "canceled") ||
		!strings.Contains(err.Error(), "; nothing was published") || !strings.Contains(told.Hint, "NATS_CREDS") || !strings.HasSuffix(told.Hint, "; then type the same again: what has run does not run again") {
		t.Errorf("got %v\n%s%s", err, &out, &log)
	}
}

// A recorder that follows ends by itself when it may not read, and that is a failure.
func TestRecordWithoutTheRightToReadSaysSo(t *testing.T) {
	t.Parallel()
	asWeb, _ := brokerDenying(t, notPublishing("$JS.API.DIRECT.GET.>"))
	for name, flags := range map[string][]string{"once": nil, "follow": {"--follow"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out, log bytes.Buffer
			err := run(t.Context(), append([]string{"record", "--nats-url", asWeb}, flags...), streams{strings.NewReader(""), &out, &log})
			told, ok := errors.AsType[*proc.Error](err)
			if !ok || told.Code != proc.Failed || !strings.Contains(err.Error(), "DIRECT.GET") || !strings.Contains(told.Hint, "NATS_CREDS") {
				t.Errorf("got %v\n%s%s", err, &out, &log)
			}
		})
	}
}

func seededLedger(t *testing.T) (database string, ledger *oprun.Ledger, tenant uuid.UUID) {
	t.Helper()
	database = devstack.Database(t)
	pool, err := pgxpool.New(t.Context(), database)
	check(t, err)
	t.Cleanup(pool.Close)
	ledger, err = oprun.Open(t.Context(), pool)
	check(t, err)
	t.Cleanup(ledger.Close)
	_, seeded, err := ledger.Seed(t.Context(), "")
	check(t, err)
	return database, ledger, seeded.ExternalID
}
