package remote

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"oprun.example/pkg/jobs"
)

var discard = slog.New(slog.DiscardHandler)

// stopAt runs a command and ends its context, for this cause, when it says "ready" on the lifeline.
func stopAt(t *testing.T, c *command, l *lifeline, cause error) ending {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	result := make(chan ending, 1)
	go func() { result <- c.run(ctx, newWork("{}")) }()
	if said := l.line(); said != "ready" {
		t.Errorf("the command said %q", said)
	}
	cancel(cause)
	return <-result
}

func wantStopped(t *testing.T, e ending, want error) {
	t.Helper()
	if e.fate != again || e.after != 0 || !errors.Is(e.err, want) {
		t.Errorf("fate %d after %s: %v", e.fate, e.after, e.err)
	}
}

func TestStoppedCommandGetsSIGTERM(t *testing.T) {
	t.Parallel()
	l := newLifeline(t)
	c := script(t, `exec 3>"$0"; trap 'echo asked to end >&3; echo last words >&2; exit 0' TERM; echo ready >&3; while :; do sleep 1; done`, l.path)
	e := stopAt(t, c, l, jobs.ErrCancelRequested)
	if said := l.drain(); said != "asked to end" {
		t.Errorf("the command said %q", said)
	}
	// It exits with 0, which is no success: it was interrupted.
	wantStopped(t, e, context.Canceled)
	wantText(t, e.err, jobs.ErrCancelRequested.Error(), "last words")
}

func TestCommandIsStoppedWhenItsTimeIsUp(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, jobs.ErrTimedOut)
	defer cancel()
	e := script(t, "exec sleep 1000").run(ctx, newWork("{}"))
	wantStopped(t, e, context.DeadlineExceeded)
	wantText(t, e.err, jobs.ErrTimedOut.Error())
}

func TestGrandchildThatIgnoresSIGTERMIsKilled(t *testing.T) {
	t.Parallel()
	l := newLifeline(t)
	var log bytes.Buffer
	c := script(t, `(trap '' TERM; exec 3>"$0"; echo ready >&3; while :; do sleep 1000; done) & wait`, l.path)
	c.grace, c.log = 200*time.Millisecond, slog.New(slog.NewTextHandler(&log, nil))
	began := time.Now()
	wantStopped(t, stopAt(t, c, l, jobs.ErrShutdown), context.Canceled)
	if took := time.Since(began); took < c.grace {
		t.Errorf("killed after %s", took)
	}
	l.drain() // ends with the last of the group
	if !strings.Contains(log.String(), "command killed") || !strings.Contains(log.String(), testRun.String()) {
		t.Errorf("log %q", log.String())
	}
}

func TestLeaderThatIgnoresSIGTERMIsKilled(t *testing.T) {
	t.Parallel()
	l := newLifeline(t)
	c := script(t, `trap '' TERM; exec 3>"$0"; echo ready >&3; while :; do sleep 1000; done`, l.path)
	c.grace = 50 * time.Millisecond
	wantStopped(t, stopAt(t, c, l, jobs.ErrShutdown), context.Canceled)
	l.drain()
}

func TestGrandchildKeepsItsGraceWhenTheLeaderEndsFirst(t *testing.T) {
	t.Parallel()
	l := newLifeline(t)
	c := script(t, `(exec 3>"$0"; trap 'sleep 0.3; echo tidied up >&3; exit' TERM; echo ready >&3; sleep 1000 & wait) >/dev/null 2>&1 & wait`, l.path)
	c.grace = 2 * time.Second // used up where the system leaves orphans unreaped
	wantStopped(t, stopAt(t, c, l, jobs.ErrShutdown), context.Canceled)
	if said := l.drain(); said != "tidied up" {
		t.Errorf("the grandchild said %q", said)
	}
}

func TestLeftoversOfACommandAreKilled(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]fate{"0": done, "1": again} {
		l := newLifeline(t)
		// They hold stdout open, and the end of the lifeline.
		c := script(t, `exec 3>"$0"; sleep 1000 & (trap '' TERM HUP; sleep 1000) & echo '{"outcome":"blocked"}'; exit $1`, l.path, code)
		e := c.run(t.Context(), newWork("{}"))
		if e.fate != want || e.report.outcome != blocked {
			t.Errorf("exit %s: fate %d, outcome %q, %v", code, e.fate, e.report.outcome, e.err)
		}
		l.drain()
	}
}

func TestDaemonThatKeepsStdoutOpenIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	l := newLifeline(t)
	c := script(t, `exec 3>"$0"
		setsid sh -c 'echo $$ >&3; : >"$0.up"; exec sleep 1000' "$0" &
		until test -e "$0.up"; do sleep 0.01; done
		echo '{"outcome":"blocked"}'`, l.path)
	e := c.run(t.Context(), newWork(strings.Repeat("x", 256<<10)))
	pid := must(strconv.Atoi(l.line()))(t)
	defer l.drain()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Errorf("the daemon, which had left the group: %v", err)
	}
	if e.fate != done || e.report.outcome != blocked {
		t.Errorf("fate %d, outcome %q, %v", e.fate, e.report.outcome, e.err)
	}
}

func TestKillAfterIsAsPromised(t *testing.T) {
	t.Parallel()
	if killAfter != 5*time.Second {
		t.Errorf("SIGKILL after %s", killAfter)
	}
}
