package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rogpeppe/go-internal/testscript"

	"oprun.example/internal/devstack"
)

// The commands that scripts run are this test binary under another name: a process each, with the race detector on.
func TestMain(m *testing.M) {
	testscript.Main(devstack.Tests{M: m}, map[string]func(){"consumer": main})
}

// Each script has a migrated database and a NATS server of its own, in DATABASE_URL and NATS_URL.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               giveServers,
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"await":     await,
			"build":     build,
			"capture":   capture,
			"collector": collector,
			"emptydb":   emptyDatabase,
			"exits":     exits,
			"fetch":     fetch,
			"hostile":   hostile,
			"inert":     inert,
			"publish":   publishRaw,
			"query":     query,
			"remove":    remove,
			"signal":    signal,
			"until":     until,
		},
	})
}

// test is the test that a script is; testOf finds it.
type test interface {
	devstack.TB
	Context() context.Context
}

func testOf(ts *testscript.TestScript) test {
	t, ok := ts.Value(testKey{}).(test)
	if !ok {
		ts.Fatalf("the script has no test")
	}
	return t
}

type testKey struct{}

func giveServers(env *testscript.Env) error {
	t, ok := env.T().(test)
	if !ok {
		return errors.New("the scripts were not started by a test")
	}
	env.Values[testKey{}] = t
	server, err := devstack.StartNATS(devstack.NATSConfig{Port: -1})
	if err != nil {
		return err
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Errorf("%v", err)
		}
	})
	env.Setenv("DATABASE_URL", devstack.Database(t))
	env.Setenv("NATS_URL", server.URL())
	env.Setenv("OPRUN_METRICS_LISTEN", "127.0.0.1:0")
	env.Setenv("OPRUN_CONNECT_TIMEOUT", "20s")
	// Or the race detector would hold the end of each process back for a second.
	env.Setenv("GORACE", "atexit_sleep_ms=0 "+os.Getenv("GORACE"))
	return nil
}

// patience is how long scripts wait for a fact on a crowded machine.
const patience = time.Minute

// eventually polls a fact.
func eventually(ts *testscript.TestScript, what string, fact func() bool) {
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !fact() {
		if time.Now().After(deadline) {
			ts.Fatalf("waited %s in vain: %s", patience, what)
		}
		<-tick.C
	}
}

// usage fails the script unless the command was called with at least n arguments and without !.
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

// until runs a command again and again until its stdout matches.
func until(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 2, "until PATTERN COMMAND [ARGUMENT...]")
	pattern := regexp.MustCompile("(?m)" + args[0])
	eventually(ts, "until "+strings.Join(args, " "), func() bool {
		return ts.Exec(args[1], args[2:]...) == nil && pattern.MatchString(ts.ReadFile("stdout"))
	})
}

// await waits until a file matches, and keeps the first group in a variable.
func await(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 2, "await FILE PATTERN [VARIABLE]")
	pattern := regexp.MustCompile("(?m)" + args[1])
	var found []string
	eventually(ts, "await "+strings.Join(args, " "), func() bool {
		text, err := os.ReadFile(ts.MkAbs(args[0]))
		if err != nil {
			return false
		}
		found = pattern.FindStringSubmatch(string(text))
		return found != nil
	})
	if len(args) > 2 {
		ts.Setenv(args[2], found[1])
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

// signal sends a signal to everything in the background.
func signal(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 1, "signal TERM|KILL")
	number := map[string]syscall.Signal{"TERM": syscall.SIGTERM, "KILL": syscall.SIGKILL}[args[0]]
	for _, cmd := range ts.BackgroundCmds() {
		ts.Check(cmd.Process.Signal(number))
	}
}

// emptyDatabase puts the script on a database without a schema.
func emptyDatabase(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 0, "emptydb")
	ts.Setenv("DATABASE_URL", devstack.EmptyDatabase(testOf(ts)))
}

// publishRaw publishes as any NATS client would: a subject, a body, no headers.
func publishRaw(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 2, "publish SUBJECT BODY")
	conn, err := nats.Connect(ts.Getenv("NATS_URL"))
	ts.Check(err)
	defer conn.Close()
	js, err := jetstream.New(conn)
	ts.Check(err)
	ack, err := js.Publish(testOf(ts).Context(), args[0], []byte(args[1]))
	ts.Check(err)
	ts.Logf("stored as %d", ack.Sequence)
}

// remove takes a message out of the stream, as nats stream rmm does.
func remove(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 1, "remove SEQUENCE")
	seq, err := strconv.ParseUint(args[0], 10, 64)
	ts.Check(err)
	conn, err := nats.Connect(ts.Getenv("NATS_URL"))
	ts.Check(err)
	defer conn.Close()
	js, err := jetstream.New(conn)
	ts.Check(err)
	stream, err := js.Stream(testOf(ts).Context(), "JOBS")
	ts.Check(err)
	ts.Check(stream.SecureDeleteMsg(testOf(ts).Context(), seq))
}

// build builds the program in a folder of the repository, as its users would: without the race detector.
func build(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 2, "build FOLDER VARIABLE")
	folder := filepath.Join("..", "..", filepath.FromSlash(args[0]))
	binary := filepath.Join(ts.Getenv("WORK"), "bin-"+filepath.Base(folder))
	cmd := exec.Command("go", "build", "-C", folder, "-o", binary, ".")
	if out, err := cmd.CombinedOutput(); err != nil {
		ts.Fatalf("go build %s: %v\n%s", folder, err, out)
	}
	ts.Setenv(args[1], binary)
}

// query writes the first column of what a statement answers to stdout.
func query(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 1, "query SQL")
	ctx := testOf(ts).Context()
	conn, err := pgx.Connect(ctx, ts.Getenv("DATABASE_URL"))
	ts.Check(err)
	defer conn.Close(ctx)
	rows, err := conn.Query(ctx, args[0])
	ts.Check(err)
	answers, err := pgx.CollectRows(rows, pgx.RowTo[string])
	ts.Check(err)
	for _, answer := range answers {
		fmt.Fprintln(ts.Stdout(), answer)
	}
}

// fetch writes the body of an HTTP answer to stdout.
func fetch(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 1, "fetch URL")
	request, err := http.NewRequestWithContext(testOf(ts).Context(), http.MethodGet, args[0], nil)
	ts.Check(err)
	answer, err := http.DefaultClient.Do(request)
	ts.Check(err)
	defer answer.Body.Close()
	_, err = io.Copy(ts.Stdout(), answer.Body)
	ts.Check(err)
}
