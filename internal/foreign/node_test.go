package foreign

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	cebinding "github.com/cloudevents/sdk-go/v2/binding"

	"oprun.example/internal/devstack"
	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
)

// nodeExample is the folder whose lock file names the packages of NATS for Node.
const nodeExample = root + "/examples/node-producer"

// node is a client in Node: @nats-io/transport-node and @nats-io/jetstream.
type node struct {
	t   *testing.T
	in  io.Writer
	out *bufio.Scanner
}

// dialNode starts one, which ends with the test.
func dialNode(t *testing.T, address string) *node {
	t.Helper()
	dir := t.TempDir()
	copyFile(t, "testdata/publish.mjs", filepath.Join(dir, "publish.mjs"))
	check(t, os.Symlink(devstack.NodeModules(t, nodeExample), filepath.Join(dir, "node_modules")))
	cmd := devstack.Node(context.WithoutCancel(t.Context()), t, filepath.Join(dir, "publish.mjs"), strings.TrimPrefix(address, "nats://"))
	cmd.Stderr = t.Output()
	in := must(cmd.StdinPipe())(t)
	out := must(cmd.StdoutPipe())(t)
	check(t, cmd.Start())
	t.Cleanup(func() {
		check(t, in.Close())
		check(t, cmd.Wait())
	})
	return &node{t, in, bufio.NewScanner(out)}
}

// accept publishes what the stream is to store, with these lines for headers, and returns its place.
func (n *node) accept(subject string, header []string, body string) (ack puback) {
	n.t.Helper()
	var pairs [][2]string
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		pairs = append(pairs, [2]string{name, value})
	}
	check(n.t, json.NewEncoder(n.in).Encode(map[string]any{"subject": subject, "header": pairs, "body": body}))
	if !n.out.Scan() {
		n.t.Fatalf("node has ended: %v", n.out.Err())
	}
	check(n.t, json.Unmarshal(n.out.Bytes(), &ack))
	if ack.Stream != "JOBS" || ack.Seq == 0 {
		n.t.Fatalf("node was answered %s", n.out.Bytes())
	}
	return ack
}

// The client of NATS for Node can ask for a job in every form that there is.
func TestNodeProducer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, shortWindow)
	client := dialNode(t, w.url)
	event := newEvent(t, "/shop/Zürich", "50% of 東京", "structured")
	structured := encode(t, event, cebinding.EncodingStructured, true)
	binary := encode(t, newEvent(t, "/shop/Zürich", "100% of 東京", "binary"), cebinding.EncodingBinary, true)

	bare := client.accept(w.fetch(), nil, input("bare"))
	client.accept(w.fetch(), []string{"traceparent: " + traceParent, "tracestate: " + traceState}, input("lower"))
	client.accept(w.fetch(), []string{"TRACEPARENT: " + traceParent, "TRACESTATE: " + traceState}, input("upper"))
	client.accept(w.fetch(), []string{"Oprun-Initiator: Jürgen", "Oprun-Version: 1"}, input("initiator"))
	client.accept(w.fetch(), structured.header, structured.body)
	client.accept(w.fetch(), binary.header, binary.body)
	client.accept(events.Subjects{}.Subject(dedupe.Workspace(w.workspace), tidyType), nil, `{"connection_id": "workspace"}`)

	if got := w.effect("bare"); got != (seen{RunID: w.runID("", bare.Seq), Initiator: "system"}) {
		t.Errorf("of a bare message the handler saw %+v", got)
	}
	for _, name := range []string{"lower", "upper"} {
		if got := w.effect(name); got.TraceParent != traceParent || got.TraceState != traceState {
			t.Errorf("of a trace in %s case the handler saw %+v", name, got)
		}
	}
	if got := w.effect("initiator"); got.Initiator != "Jürgen" {
		t.Errorf("the initiator is %q", got.Initiator)
	}
	if got := w.effect("structured"); got.RunID != w.eventRun(event) {
		t.Errorf("the event's run is %v, want %v", got.RunID, w.eventRun(event))
	}
	w.effect("binary")
	w.effect("workspace")

	again := []string{"Nats-Msg-Id: order-7", "Oprun-Request-Id: order-7"}
	first := client.accept(w.fetch(), again, input("twice"))
	w.effect("twice")
	w.eventually("the broker to forget the message", func() bool {
		return client.accept(w.fetch(), again, input("twice")).Seq != first.Seq
	})

	for _, refused := range [][]string{{"Oprun-Version: 2"}, {"Oprun-Request-Id: a", "Oprun-Request-Id: b"}} {
		client.accept(w.fetch(), refused, input("never"))
	}
	w.settled()
	if got := w.letters(); got["version_unknown"] != 1 || got["header_invalid"] != 1 || len(got) != 2 {
		t.Errorf("the dead letters are %v", got)
	}
	if never, twice := len(w.effects("never")), len(w.effects("twice")); never != 0 || twice != 1 {
		t.Errorf("%d of the refused ran, and %d of one request", never, twice)
	}
}

// letters counts the dead letters by reason.
func (w *world) letters() map[string]int {
	w.t.Helper()
	counts := map[string]int{}
	rows := must(w.pool.Query(w.t.Context(), "select reason from oprun.dead_letters"))(w.t)
	defer rows.Close()
	for rows.Next() {
		var reason string
		check(w.t, rows.Scan(&reason))
		counts[reason]++
	}
	check(w.t, rows.Err())
	return counts
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	check(t, err)
	check(t, os.WriteFile(to, text, 0o600))
}
