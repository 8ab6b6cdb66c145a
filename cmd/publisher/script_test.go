package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rogpeppe/go-internal/testscript"

	"oprun.example/internal/devstack"
	"oprun.example/pkg/events"
	"oprun.example/pkg/oprun"
)

// The command that scripts run is this test binary under another name: a process each, with the race detector on.
func TestMain(m *testing.M) {
	testscript.Main(devstack.Tests{M: m}, map[string]func(){"publisher": main})
}

// Each script has a NATS server of its own, in NATS_URL.
func TestScripts(t *testing.T) {
	t.Parallel()
	params := scripts()
	params.Dir = filepath.Join("testdata", "script")
	testscript.Run(t, params)
}

// scripts are what scripts may say.
func scripts() testscript.Params {
	return testscript.Params{
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               giveServer,
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"answers":  answers,
			"capture":  capture,
			"exits":    exits,
			"ledger":   ledger,
			"message":  message,
			"topology": topology,
			"waits":    waits,
			"worker":   worker,
		},
	}
}

// test is the test that a script is.
type test interface {
	devstack.TB
	Context() context.Context
}

type testKey struct{}

func giveServer(env *testscript.Env) error {
	env.Values[testKey{}] = env.T()
	server, err := devstack.StartNATS(devstack.NATSConfig{Port: -1})
	if err != nil {
		return err
	}
	env.Defer(func() {
		if err := server.Close(); err != nil {
			env.T().Log(err)
		}
	})
	env.Setenv("NATS_URL", server.URL())
	env.Setenv("OPRUN_CONNECT_TIMEOUT", "20s")
	// Or the race detector would hold the end of each process back for a second.
	env.Setenv("GORACE", "atexit_sleep_ms=0 "+os.Getenv("GORACE"))
	return nil
}

// usage fails the script unless the command was called with n arguments or more and without !.
func usage(ts *testscript.TestScript, neg bool, args []string, n int, text string) {
	if neg || len(args) < n {
		ts.Fatalf("usage: %s", text)
	}
}

// exits runs a command and checks the code it ends with.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 2, "exits CODE COMMAND [ARGUMENT...]")
	code := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		ended, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%s: %v", args[1], err)
		}
		code = ended.ExitCode()
	}
	if got := strconv.Itoa(code); got != args[0] {
		ts.Fatalf("exit code %s, want %s", got, args[0])
	}
}

// capture keeps the first group of a match on the last stdout in a variable.
func capture(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 2, "capture VARIABLE PATTERN")
	found := regexp.MustCompile("(?m)" + args[1]).FindStringSubmatch(ts.ReadFile("stdout"))
	if len(found) < 2 {
		ts.Fatalf("no match for %s", args[1])
	}
	ts.Setenv(args[0], found[1])
}

// topology makes the stream, of this size if one is given.
func topology(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 0, "topology [BYTES]")
	wanted := events.DefaultTopology()
	if len(args) > 0 {
		bytes, err := strconv.ParseInt(args[0], 10, 64)
		ts.Check(err)
		wanted.MaxBytes = bytes
	}
	withJetStream(ts, func(js jetstream.JetStream) error {
		_, err := wanted.Apply(context.Background(), js, true)
		return err
	})
}

// ledger gives the script a database with a ledger, in DATABASE_URL, that knows a tenant, in TENANT.
func ledger(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 0, "ledger")
	t, ok := ts.Value(testKey{}).(test)
	if !ok {
		ts.Fatalf("the script was not started by a test")
	}
	ts.Setenv("DATABASE_URL", devstack.Database(t))
	pool, err := pgxpool.New(t.Context(), ts.Getenv("DATABASE_URL"))
	ts.Check(err)
	defer pool.Close()
	l, err := oprun.Open(t.Context(), pool)
	ts.Check(err)
	defer l.Close()
	_, tenant, err := l.Seed(t.Context(), "")
	ts.Check(err)
	ts.Setenv("TENANT", tenant.ExternalID.String())
}

// message shows what the stream holds at a place: subject, headers, body.
func message(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 1, "message SEQUENCE")
	seq, err := strconv.ParseUint(args[0], 10, 64)
	ts.Check(err)
	withJetStream(ts, func(js jetstream.JetStream) error {
		m, err := events.ReadBack(context.Background(), js, "JOBS", seq)
		if err != nil {
			return err
		}
		fmt.Fprintln(ts.Stdout(), m.Subject)
		for _, name := range slices.Sorted(maps.Keys(m.Header)) {
			fmt.Fprintf(ts.Stdout(), "%s: %s\n", name, m.Header.Get(name))
		}
		fmt.Fprintf(ts.Stdout(), "%s\n", m.Data)
		return nil
	})
}

func withJetStream(ts *testscript.TestScript, do func(jetstream.JetStream) error) {
	conn, err := nats.Connect(ts.Getenv("NATS_URL"))
	ts.Check(err)
	defer conn.Close()
	js, err := jetstream.New(conn)
	ts.Check(err)
	ts.Check(do(js))
}
