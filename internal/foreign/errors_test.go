package foreign

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"oprun.example/internal/devstack"
	"oprun.example/pkg/events"
)

// trouble is a world in which no job can be asked for.
type trouble struct {
	configure func(*server.Options)
	topology  func(*events.Topology)
	prepare   func(*world)
	user      string   // who asks; empty: the producer
	size      int      // of the input, or so
	env       []string // of the programs
}

// troubles are those of the document's table, by their names there.
var troubles = map[string]trouble{
	"the stream is full": {
		topology: func(topology *events.Topology) { topology.MaxBytes = 4 << 10 },
		prepare:  func(w *world) { dial(w.t, w.url, admin).fill(w.fetch()) },
	},
	"no stream takes the subject":     {prepare: func(w *world) { check(w.t, w.js.DeleteStream(w.t.Context(), w.topology.Stream)) }},
	"this user may not publish there": {user: "stranger"},
	"a message larger than the server's `max_payload`": {
		configure: func(options *server.Options) { options.MaxPayload = 8 << 10 }, size: 9 << 10,
	},
	"NATS is away": {env: []string{"NATS_URL=nats://127.0.0.1:1", "OPRUN_CONNECT_TIMEOUT=0s"}},
}

// What the document says that each producer is told is what each is told.
func TestWhatCanGoWrong(t *testing.T) {
	t.Parallel()
	_, table, _ := strings.Cut(read(t, document), "| what | NATS says | `publisher` | Node |\n|---|---|---|---|\n")
	table, _, _ = strings.Cut(table, "\n\n")
	rows := strings.Split(table, "\n")
	if len(rows) != len(troubles) {
		t.Errorf("%s lists %d troubles, want %d", document, len(rows), len(troubles))
	}
	for _, row := range rows {
		cells := strings.Split(strings.Trim(row, "| "), " | ")
		made, known := troubles[cells[0]]
		if !known || len(cells) != 4 {
			t.Errorf("%s: nobody can make %q", document, row)
			continue
		}
		t.Run(cells[0], func(t *testing.T) {
			t.Parallel()
			made.wantTold(t, cells[1], cells[2], cells[3])
		})
	}
}

func (made trouble) wantTold(t *testing.T, byNATS, byPublisher, byNode string) {
	t.Helper()
	w := stillWorld(t, func(options *server.Options) {
		twoProducers(options)
		if made.configure != nil {
			made.configure(options)
		}
	}, func(topology *events.Topology) {
		if made.topology != nil {
			made.topology(topology)
		}
	})
	if made.prepare != nil {
		made.prepare(w)
	}
	if made.user == "" {
		made.user = "producer"
	}
	text := input("in vain " + strings.Repeat("x", made.size))
	if len(made.env) == 0 {
		got := dial(t, w.url, made.user).publish(w.fetch(), "", text).String()
		before, _, _ := strings.Cut(got, ` "`) // the subject, which is the test's
		if !strings.HasPrefix(strings.ReplaceAll(byNATS, "`", ""), before) {
			t.Errorf("NATS says %q, and not %q", got, byNATS)
		}
	}
	dir := w.workplace()
	check(t, os.Symlink(devstack.NodeModules(t, nodeExample), filepath.Join(dir, "examples/node-producer/node_modules")))
	env := append([]string{w.as(made.user), "INPUT=" + text}, made.env...)
	wantSaid(t, byPublisher, w.shell(dir, `publisher publish --type assignments.fetch --tenant "$TENANT" --input "$INPUT"`, env...))
	wantSaid(t, "1, "+byNode, w.shell(dir, `node examples/node-producer/producer.mjs "jobs.tenant.$TENANT.assignments.fetch" "$INPUT"`, env...))
}

// String is the answer as the document spells it.
func (ack puback) String() string {
	switch {
	case ack.Error != nil:
		return fmt.Sprintf("error %d, %s", ack.Error.ErrCode, ack.Error.Description)
	case ack.status != "":
		return "status " + ack.status
	default:
		return ack.err
	}
}

var codeAndWords = regexp.MustCompile("^(\\d), `([^`]+)`")

// wantSaid compares an exit code and words, as in "3, `connect to nats`", with what a program said on stderr.
func wantSaid(t *testing.T, want string, got said) {
	t.Helper()
	parts := codeAndWords.FindStringSubmatch(want)
	if parts == nil {
		t.Errorf("%s: no exit code and words: %q", document, want)
		return
	}
	if strconv.Itoa(got.code) != parts[1] || !strings.Contains(got.err, parts[2]) || got.out != "" {
		t.Errorf("got %d %q %q, want %s", got.code, got.out, got.err, want)
	}
}
