//go:build failpoint

package failpoint

import (
	"fmt"
	"io"
	"os"
	"syscall"
	"time"
)

// Hit passes a point, and does there what OPRUN_FAILPOINTS says. Its error, if any, is an [*Injected].
func Hit(p Point) error {
	if f := active.faults[p]; f != nil && f.turn() {
		return f.strike(p)
	}
	return nil
}

// Off reports whether OPRUN_BREAK switches a rule off.
func Off(s Switch) bool { return active.off[s] }

// Armed reports whether OPRUN_FAILPOINTS has something happen at a point: for what passes it only then, since the ordinary
// way has no place of that kind.
func Armed(p Point) bool { return active.faults[p] != nil }

// Injected is the error of a point that was told to fail. It looks like a connection that broke: whoever asks what to
// do about it learns that nobody knows whether the thing was done.
type Injected struct{ Point Point }

// Error names the point.
func (e *Injected) Error() string { return fmt.Sprintf("injected at %s", e.Point) }

// Unwrap makes it look like a connection that broke.
func (e *Injected) Unwrap() error { return io.ErrUnexpectedEOF }

// active is what this process was told. It is read before main begins, so that a mistake never looks like a test that
// passed.
var active = load()

func load() *plan {
	p, err := parse(os.Getenv("OPRUN_FAILPOINTS"), os.Getenv("OPRUN_BREAK"))
	if err != nil {
		fmt.Fprintln(os.Stderr, "failpoint:", err)
		os.Exit(2)
	}
	return p
}

// turn counts a hit, and reports whether it is one that does something.
func (f *fault) turn() bool {
	n := f.hits.Add(1) - f.passed
	return n > 0 && (f.times == 0 || n <= f.times)
}

func (f *fault) strike(p Point) error {
	fmt.Fprintf(os.Stderr, "failpoint: %s: %s\n", p, f.action)
	switch f.action {
	case kill:
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	case stop:
		_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
		<-time.After(stopTakes)
	case delay:
		<-time.After(f.delay)
	case fail:
		return &Injected{p}
	}
	return nil
}

// stopTakes is how long the calling thread may go on before the signal reaches it, at the very most: it waits for
// that long, and wakes up when the process is continued.
const stopTakes = 200 * time.Millisecond
