package main

import (
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rogpeppe/go-internal/testscript"

	"oprun.example/pkg/events"
)

// record writes what the stream holds to a file, as publisher record does.
func record(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 1, "record FILE")
	conn, err := nats.Connect(ts.Getenv("NATS_URL"))
	ts.Check(err)
	defer conn.Close()
	js, err := jetstream.New(conn)
	ts.Check(err)
	file, err := os.Create(ts.MkAbs(args[0]))
	ts.Check(err)
	recorder, err := events.NewRecorder(file, false)
	ts.Check(err)
	for m, err := range events.Read(testOf(ts).Context(), js, events.DefaultTopology().Stream, events.Range{}) {
		ts.Check(err)
		ts.Check(recorder.Write(m))
	}
	ts.Check(errors.Join(recorder.Close(), file.Close()))
}

// Every command of docs/shadow.md is one of the script, and its listing is in an example.
func TestShadowDocument(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/shadow.md")
	if err != nil {
		t.Fatal(err)
	}
	script, err := os.ReadFile("testdata/script/shadow.txtar")
	if err != nil {
		t.Fatal(err)
	}
	example, err := os.ReadFile("../../pkg/jobs/example_shadow_test.go")
	if err != nil {
		t.Fatal(err)
	}
	_, listing, _ := strings.Cut(string(text), "```go\n")
	listing, _, whole := strings.Cut(listing, "```")
	if !whole || !strings.Contains(string(example), listing) {
		t.Errorf("pkg/jobs/example_shadow_test.go does not contain the listing of docs/shadow.md:\n%s", listing)
	}
	commands := regexp.MustCompile(`(?m)^(consumer [^#\n]*)`).FindAllString(string(text), -1)
	if len(commands) < 5 {
		t.Errorf("docs/shadow.md has %d commands", len(commands))
	}
	for _, command := range commands {
		run := regexp.MustCompile(`(?m)^(exec|exits \d) ` + regexp.QuoteMeta(strings.TrimSpace(command)) + `$`)
		if !run.Match(script) {
			t.Errorf("no test runs what docs/shadow.md gives: %s", command)
		}
	}
}
