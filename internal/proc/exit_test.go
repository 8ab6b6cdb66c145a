package proc

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"oprun.example/internal/devstack"
)

// actAs makes the test binary a command of ours: Main ends the process, so it needs one of its own.
const actAs = "PROC_TEST_ACT_AS"

func TestMain(m *testing.M) {
	if act := os.Getenv(actAs); act != "" {
		Main("actor", acts[act])
	}
	goleak.VerifyTestMain(devstack.Tests{M: m})
}

var acts = map[string]func(context.Context) error{
	"succeed": func(context.Context) error { return nil },
	"miss": func(context.Context) error {
		return &Error{Code: Unavailable, Err: errors.New("no postgres"), Hint: "type: start it"}
	},
	"stop when asked": func(ctx context.Context) error {
		fmt.Println("ready")
		<-ctx.Done()
		return nil
	},
	"be interrupted": func(ctx context.Context) error {
		fmt.Println("ready")
		<-ctx.Done()
		return fmt.Errorf("fetch jobs: %w", ctx.Err())
	},
	"ignore the first signal": func(ctx context.Context) error {
		fmt.Println("ready")
		<-ctx.Done()
		fmt.Println("asked")
		select {}
	},
}

type actor struct {
	cmd    *exec.Cmd
	stdout *bufio.Reader
	stderr bytes.Buffer
}

func act(t *testing.T, name string) *actor {
	t.Helper()
	a := &actor{cmd: exec.CommandContext(t.Context(), os.Args[0])}
	a.cmd.Env = append(os.Environ(), actAs+"="+name)
	a.cmd.Stderr = &a.stderr
	stdout, err := a.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	a.stdout = bufio.NewReader(stdout)
	if err := a.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return a
}

func (a *actor) waitFor(t *testing.T, line string) {
	t.Helper()
	if got, err := a.stdout.ReadString('\n'); got != line+"\n" {
		t.Fatalf("the actor says %q (%v), want %q", got, err, line)
	}
}

func (a *actor) signal(t *testing.T, signal syscall.Signal) {
	t.Helper()
	if err := a.cmd.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
}

// end waits for the process and returns its exit code, -1 after a signal.
func (a *actor) end(t *testing.T) int {
	t.Helper()
	_, _ = io.Copy(io.Discard, a.stdout)
	_ = a.cmd.Wait()
	return a.cmd.ProcessState.ExitCode()
}

func TestMainOfACommand(t *testing.T) {
	t.Parallel()
	t.Run("nil is exit 0 and says nothing", func(t *testing.T) {
		t.Parallel()
		a := act(t, "succeed")
		if code := a.end(t); code != 0 || a.stderr.Len() != 0 {
			t.Errorf("exit %d, stderr %q", code, &a.stderr)
		}
	})
	t.Run("an error is printed with its hint and decides the code", func(t *testing.T) {
		t.Parallel()
		a := act(t, "miss")
		if code := a.end(t); code != 3 || a.stderr.String() != "actor: no postgres\ntype: start it\n" {
			t.Errorf("exit %d, stderr %q", code, &a.stderr)
		}
	})
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run("a stop on "+signal.String()+" is exit 0", func(t *testing.T) {
			t.Parallel()
			a := act(t, "stop when asked")
			a.waitFor(t, "ready")
			a.signal(t, signal)
			if code := a.end(t); code != 0 {
				t.Errorf("exit %d, stderr %q", code, &a.stderr)
			}
		})
	}
	t.Run("work that a signal cut short is exit 1 and names the signal", func(t *testing.T) {
		t.Parallel()
		a := act(t, "be interrupted")
		a.waitFor(t, "ready")
		a.signal(t, syscall.SIGTERM)
		if code := a.end(t); code != 1 || !strings.Contains(a.stderr.String(), "terminated") {
			t.Errorf("exit %d, stderr %q", code, &a.stderr)
		}
	})
	t.Run("a second signal ends it at once", func(t *testing.T) {
		t.Parallel()
		a := act(t, "ignore the first signal")
		a.waitFor(t, "ready")
		a.signal(t, syscall.SIGINT)
		a.waitFor(t, "asked")
		// The default effect comes back a moment after the context ends, so one more signal may be needed.
		ended := make(chan int)
		go func() { ended <- a.end(t) }()
		again := time.NewTicker(20 * time.Millisecond)
		defer again.Stop()
		for {
			select {
			case code := <-ended:
				if code == 0 {
					t.Error("exit 0")
				}
				return
			case <-again.C:
				_ = a.cmd.Process.Signal(syscall.SIGINT)
			case <-t.Context().Done():
				t.Fatal("it goes on")
			}
		}
	})
}

func TestReport(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		err  error
		code int
		text string
	}{
		"nothing": {nil, 0, ""},
		"an error without a code": {
			errors.New("boom"), 1, "cmd: boom\n",
		},
		"a wrapped error keeps code and hint": {
			fmt.Errorf("migrate: %w", &Error{Usage, errors.New("bad flag"), "type: --help"}), 2, "cmd: migrate: bad flag\ntype: --help\n",
		},
		"the outermost code counts": {
			&Error{Partial, fmt.Errorf("3 of 9 failed: %w", &Error{Usage, errors.New("bad"), "no"}), ""}, 4, "cmd: 3 of 9 failed: bad\n",
		},
		"an error never exits with 0": {
			&Error{OK, errors.New("odd"), ""}, 1, "cmd: odd\n",
		},
		"a code that no process can end with is 1": {
			&Error{Code(300), errors.New("odd"), ""}, 1, "cmd: odd\n",
		},
		"an error without text has the code's name": {
			&Error{Code: TimedOut}, 5, "cmd: timed out\n",
		},
		"what steers a terminal is dropped": {
			errors.New("a\x1b[31mb\r\nc\n"), 1, "cmd: a[31mb\nc\n", //nolint:revive // the dirt is the point
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out strings.Builder
			if code := Report(&out, "cmd", test.err); code != test.code || out.String() != test.text {
				t.Errorf("Report: exit %d, %q; want %d, %q", code, out.String(), test.code, test.text)
			}
		})
	}
}

func TestCode(t *testing.T) {
	t.Parallel()
	want := []string{"ok", "failed", "usage", "unavailable", "partial", "timed out", "code 6"}
	for code, name := range want {
		if got := Code(code).String(); got != name {
			t.Errorf("Code(%d) is %q, want %q", code, got, name)
		}
	}
}
