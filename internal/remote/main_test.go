package remote

import (
	"bufio"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/uuid"
	"go.uber.org/goleak"

	"oprun.example/internal/devstack"
	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/jobs"
)

// actAs makes the test binary a worker that runs the command in its arguments.
const actAs = "REMOTE_TEST_ACT_AS"

func TestMain(m *testing.M) {
	if act := acts[os.Getenv(actAs)]; act != nil {
		c := &command{name: os.Args[1], args: os.Args[2:], grace: killAfter, log: discard}
		os.Exit(act(c))
	}
	goleak.VerifyTestMain(devstack.Tests{M: m})
}

var (
	testRun    = uuid.MustParse("01890a5d-ac96-774b-bcce-b302099a8057")
	testTenant = uuid.MustParse("6f9b3c1e-4a57-4c0a-9d43-0f6f4c1d2ee1")
)

const (
	testParent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	testState  = "vendor=1"
)

func newWork(input string) *jobs.Work {
	return &jobs.Work{
		RunID: testRun, Type: "assignments.fetch", Scope: dedupe.Tenant(testTenant), Attempt: 2, MaxAttempts: 5,
		Initiator: "system", Input: []byte(input), TraceParent: testParent, TraceState: testState,
	}
}

// lifeline is a FIFO that processes hold open: the test reads what they say, and sees when none of them is left.
type lifeline struct {
	path  string
	lines chan string // capacity 16; closed by the reader when the last writer is gone
}

func newLifeline(t *testing.T) *lifeline {
	t.Helper()
	l := &lifeline{filepath.Join(t.TempDir(), "lifeline"), make(chan string, 16)}
	check(t, syscall.Mkfifo(l.path, 0o600))
	go l.read()
	t.Cleanup(func() {
		// Lets go of a reader that nobody ever wrote to.
		writer, err := os.OpenFile(l.path, os.O_RDWR, 0)
		check(t, err)
		check(t, writer.Close())
		l.drain()
	})
	return l
}

func (l *lifeline) read() {
	defer close(l.lines)
	reader, _ := os.Open(l.path) // waits for the first writer
	defer reader.Close()
	for scanner := bufio.NewScanner(reader); scanner.Scan(); {
		l.lines <- scanner.Text()
	}
}

// line waits for the next line; "" when nobody is left to say anything.
func (l *lifeline) line() string { return <-l.lines }

// drain waits until nobody is left, and returns what was said meanwhile.
func (l *lifeline) drain() (said string) {
	for line := range l.lines {
		said += line
	}
	return said
}

func must[T any](value T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		check(t, err)
		return value
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantText(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one that says %q", parts)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q, want it to say %q", err, part)
		}
	}
}
