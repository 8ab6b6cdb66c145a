package foreign

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
)

const document = "docs/producers.md"

// listing is a fenced block of the document.
type listing struct{ section, language, text string }

func listings(t *testing.T) (all []listing) {
	t.Helper()
	for _, section := range strings.Split(read(t, document), "\n## ")[1:] {
		title, text, _ := strings.Cut(section, "\n")
		for _, block := range regexp.MustCompile("(?sm)^```(\\w*)\n(.*?)^```$").FindAllStringSubmatch(text, -1) {
			all = append(all, listing{title, block[1], block[2]})
		}
	}
	return all
}

// wanted are the runs that the document's commands ask for, by the connection in their inputs.
var wanted = map[string]struct{ request, initiator string }{
	"shell":      {"order-7", "system"},
	"script":     {"order-8", "system"},
	"cli":        {"order-9", "ada"},
	"bare":       {"", "system"},
	"node":       {"order-10", "node-producer"},
	"go":         {"order-11", "go-producer"},
	"bytes":      {"order-12", "system"},
	"event":      {eventRequest("/orders", "order 13"), "system"},
	"structured": {eventRequest("/orders", "order 14"), "system"},
}

// Every block of the document is a command that runs, bytes that are sent, or a listing of what is run.
func TestEveryExampleOfTheDocument(t *testing.T) {
	t.Parallel()
	// However slow the machine, what is published twice here is published twice within the window.
	w := newWorld(t, func(topology *events.Topology) { topology.Duplicates = time.Hour })
	dir := w.workplace()
	shells := 0
	for _, l := range listings(t) {
		switch l.language {
		case "sh":
			shells++
			w.runExample(dir, l)
		case "text":
			w.sendExample(l)
		case "yaml":
			wantListed(t, "examples/go-producer/jobs.yaml", l)
		case "js":
			if strings.HasPrefix(l.text, "import ") {
				w.wantMessageID(l)
				continue
			}
			wantListed(t, "examples/node-producer/producer.mjs", l)
		case "go":
			wantListed(t, "examples/go-producer/main.go", l)
		default:
			t.Errorf("%s: nobody tries a block of %q", document, l.language)
		}
	}
	for connection, want := range wanted {
		got := w.effect(connection)
		if want.request != "" && got.RunID != w.runID(want.request, 0) || got.Initiator != want.initiator {
			t.Errorf("the example %q made %+v", connection, got)
		}
	}
	if runs := w.count("select count(*) from effects"); runs != len(wanted) || shells < 8 {
		t.Errorf("%d commands made %d runs, want %d", shells, runs, len(wanted))
	}
	again := w.shell(dir, find(t, "sh", "Shell").text)
	if !strings.Contains(again.out, "suppressed") {
		t.Errorf("the same again is not suppressed: %s%s", again.out, again.err)
	}
}

// find returns the first block in this language below this heading.
func find(t *testing.T, language, section string) listing {
	t.Helper()
	all := listings(t)
	i := slices.IndexFunc(all, func(l listing) bool { return l.language == language && l.section == section })
	if i < 0 {
		t.Fatalf("%s: no %s below %q", document, language, section)
	}
	return all[i]
}

// wantMessageID runs the program that computes what the broker knows the example of the shell by, and sends that again
// without any other header.
func (w *world) wantMessageID(l listing) {
	w.t.Helper()
	dir := w.t.TempDir()
	check(w.t, os.WriteFile(filepath.Join(dir, "identity.mjs"), []byte(l.text), 0o600))
	id := w.shell(dir, "node identity.mjs")
	ack := dial(w.t, w.url).accept(w.fetch(), block("Nats-Msg-Id: "+strings.TrimSpace(id.out)), `{}`)
	if !ack.Duplicate || ack.Seq != 1 {
		w.t.Errorf("%s: %s%s is not the id of the first example: %+v", document, id.out, id.err, ack)
	}
}

func wantListed(t *testing.T, file string, l listing) {
	t.Helper()
	if !strings.Contains(read(t, file), l.text) {
		t.Errorf("%s does not contain the listing of %s:\n%s", file, document, l.text)
	}
}

// runExample runs a block of commands. Those of the nats command are run by it where it is installed; by whomever they are
// carried out, they are read first, so that no example has a flag or a header that is not meant.
func (w *world) runExample(dir string, l listing) {
	w.t.Helper()
	if strings.Contains(l.text, "go -C ") {
		dir = root
	}
	if strings.HasPrefix(l.text, "nats ") {
		message := w.readNatsPub(dir, l.text)
		if _, err := exec.LookPath("nats"); err != nil {
			w.t.Logf("there is no nats command here: the message is sent byte by byte instead:\n%s", l.text)
			dial(w.t, w.url).accept(message.subject, message.header, message.body)
			return
		}
	}
	if got := w.shell(dir, l.text); got.code != 0 {
		w.t.Errorf("%s: exit code %d\n%s%s%s", document, got.code, l.text, got.out, got.err)
	}
}

// published is a message as a command line says it.
type published struct{ subject, header, body string }

// readNatsPub has a shell read the command, and reads its words as natscli does: K:V, and spaces around V are nothing.
func (w *world) readNatsPub(dir, script string) (m published) {
	w.t.Helper()
	got := w.shell(dir, "nats() { printf '%s\\0' \"$@\"; }\n"+script)
	words := strings.Split(strings.TrimSuffix(got.out, "\x00"), "\x00")
	if got.code != 0 || len(words) < 4 || words[0] != "pub" || words[1] != "--jetstream" {
		w.t.Fatalf("%s: no nats pub --jetstream: %q", document, words)
	}
	var header, rest []string
	for words = words[2:]; len(words) > 0; words = words[1:] {
		if words[0] != "-H" {
			rest = append(rest, words[0])
			continue
		}
		name, value, ok := strings.Cut(words[1], ":")
		if !ok {
			w.t.Errorf("%s: no header: %q", document, words[1])
		}
		header, words = append(header, name+": "+strings.TrimSpace(value)), words[1:]
	}
	if len(rest) != 2 {
		w.t.Fatalf("%s: nats pub wants a subject and a body: %q", document, rest)
	}
	m = published{subject: rest[0], body: rest[1]}
	if len(header) > 0 {
		m.header = block(header...)
	}
	return m
}

// sendExample sends what the document says that any client sends, and nothing else.
func (w *world) sendExample(l listing) {
	w.t.Helper()
	client := dial(w.t, w.url)
	client.write(strings.NewReplacer("\n", "\r\n", "<external id>", w.tenant.String()).Replace(l.text))
	if ack := client.answer("_INBOX.me.1"); ack.Stream != w.topology.Stream || ack.Seq == 0 {
		w.t.Errorf("%s: the answer is %+v", document, ack)
	}
}

// The commands that the document names in passing are there, with the flags that it gives them.
func TestTheDocumentNamesCommandsThatExist(t *testing.T) {
	t.Parallel()
	w := stillWorld(t, nil)
	lines := regexp.MustCompile("`((?:consumer|publisher) [^`]+)`").FindAllStringSubmatch(read(t, document), -1)
	for _, line := range lines {
		script := strings.TrimSuffix(line[1], " --max-bytes") + " --help"
		if got := w.shell(t.TempDir(), script); got.code != 0 || !strings.Contains(got.out, "Usage: ") {
			t.Errorf("%s: %s: %s%s", document, line[1], got.out, got.err)
		}
	}
	if len(lines) < 4 {
		t.Errorf("%s names %d commands only", document, len(lines))
	}
}

// The document's limits are the code's.
func TestTheDocumentsLimitsAreTheCodes(t *testing.T) {
	t.Parallel()
	page, topology := read(t, document), events.DefaultTopology()
	for _, words := range []string{
		strconv.Itoa(events.MaxInputBytes>>10) + " KiB, " + strconv.Itoa(events.MaxInputDepth) + " levels deep",
		strconv.Itoa(events.MaxHeaderBytes>>10) + " KiB | dead letter `" + dedupe.HeaderInvalid.String(),
		strconv.Itoa(int(topology.MaxMsgSize>>20)) + " MiB | refused by NATS",
		"1 to " + strconv.Itoa(events.MaxRequestIDLength) + " visible ASCII characters",
		"up to " + strconv.Itoa(events.MaxInitiatorLength) + " characters",
		strconv.Itoa(events.MaxTypeLength) + " characters, 2 to 6 words",
		"MaxAge, " + strconv.Itoa(int(topology.MaxAge/(24*time.Hour))) + " days by default",
		map[time.Duration]string{2 * time.Minute: "within two minutes"}[topology.Duplicates],
	} {
		if words == "" || !strings.Contains(page, words) {
			t.Errorf("%s does not say %q", document, words)
		}
	}
}
