//go:build failpoint

package failpoint

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// inChild in the environment makes the test binary a program that passes one point, three times.
const inChild = "OPRUN_FAILPOINT_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(inChild) == "" {
		os.Exit(m.Run())
	}
	for range 3 {
		fmt.Println("passed:", Hit(ClaimAfter))
	}
	fmt.Println("the fence is off:", Off(Fence))
}

// program is the child, told these faults and switches.
func program(t *testing.T, faults, off string) (cmd *exec.Cmd, stdout, stderr *bytes.Buffer) {
	t.Helper()
	cmd = exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), inChild+"=1", "OPRUN_FAILPOINTS="+faults, "OPRUN_BREAK="+off)
	stdout, stderr = new(bytes.Buffer), new(bytes.Buffer)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	return cmd, stdout, stderr
}

func TestFaults(t *testing.T) {
	t.Parallel()
	const nothing, injected = "passed: <nil>\n", "passed: injected at claim.after\n"
	for name, test := range map[string]struct{ faults, passed, announced string }{
		"none":                     {"", nothing + nothing + nothing, ""},
		"elsewhere":                {"claim.before=kill", nothing + nothing + nothing, ""},
		"an error":                 {"claim.after=error", injected + injected + injected, strings.Repeat("failpoint: claim.after: error\n", 3)},
		"an error, once":           {"claim.after=error*1", injected + nothing + nothing, "failpoint: claim.after: error\n"},
		"an error, after two hits": {" claim.after = error*3@2; ", nothing + nothing + injected, "failpoint: claim.after: error\n"},
		"a delay":                  {"claim.after=delay(1ms)*1", nothing + nothing + nothing, "failpoint: claim.after: delay\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd, stdout, stderr := program(t, test.faults, "")
			if err := cmd.Run(); err != nil {
				t.Fatal(err)
			}
			if got, want := stdout.String(), test.passed+"the fence is off: false\n"; got != want {
				t.Errorf("the program said\n%swant\n%s", got, want)
			}
			if stderr.String() != test.announced {
				t.Errorf("announced:\n%swant\n%s", stderr, test.announced)
			}
		})
	}
}

func TestDelayIsAsLongAsItSays(t *testing.T) {
	t.Parallel()
	p, err := parse("claim.after=delay(30ms)", "")
	if err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	if err := p.faults[ClaimAfter].strike(ClaimAfter); err != nil || time.Since(begun) < 30*time.Millisecond {
		t.Errorf("it took %s (%v)", time.Since(begun), err)
	}
}

func TestKill(t *testing.T) {
	t.Parallel()
	cmd, stdout, _ := program(t, "claim.after=kill@1", "")
	var exit *exec.ExitError
	if err := cmd.Run(); !errors.As(err, &exit) || !exit.Sys().(syscall.WaitStatus).Signaled() {
		t.Errorf("the program ended with %v, want a signal", err)
	}
	if got := stdout.String(); got != "passed: <nil>\n" {
		t.Errorf("the program said %q, want that it passed once", got)
	}
}

func TestStop(t *testing.T) {
	t.Parallel()
	cmd, stdout, _ := program(t, "claim.after=stop*1", "")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(cmd.Process.Pid, &status, syscall.WUNTRACED, nil); err != nil || !status.Stopped() {
		t.Errorf("the program is in state %x (%v), want it stopped", status, err)
	}
	if err := cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if got := strings.Count(stdout.String(), "passed: <nil>\n"); got != 3 {
		t.Errorf("the program passed %d times, want 3", got)
	}
}

func TestSwitches(t *testing.T) {
	t.Parallel()
	cmd, stdout, _ := program(t, "", "sweeper, fence")
	if err := cmd.Run(); err != nil || !strings.Contains(stdout.String(), "the fence is off: true") {
		t.Errorf("the program said %q (%v)", stdout, err)
	}
}

func TestBadSpecsEndTheProgram(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ faults, off, says string }{
		{"claim.afer=kill", "", `"claim.afer=kill": there is no point "claim.afer"`},
		{"claim.after", "", `"" is not kill, stop, error or delay(duration)`},
		{"claim.after=explode", "", `"explode" is not kill`},
		{"claim.after=delay", "", `"delay" is not kill`},
		{"claim.after=delay(soon)", "", `"soon" is not a duration`},
		{"claim.after=delay(-1s)", "", `"-1s" is not a duration`},
		{"claim.after=kill*0", "", `"0" is not a count`},
		{"claim.after=kill@x", "", `"x" is not a count`},
		{"claim.after=kill;claim.after=stop", "", `is there twice`},
		{"", "fences", `there is no switch "fences"`},
	} {
		cmd, stdout, stderr := program(t, test.faults, test.off)
		var exit *exec.ExitError
		if err := cmd.Run(); !errors.As(err, &exit) || exit.ExitCode() != 2 || stdout.Len() > 0 {
			t.Errorf("%q %q: ended with %v, want exit 2 before main", test.faults, test.off, err)
		}
		if !strings.HasPrefix(stderr.String(), "failpoint: OPRUN_") || !strings.Contains(stderr.String(), test.says) {
			t.Errorf("%q %q: said %q, want %q", test.faults, test.off, stderr, test.says)
		}
	}
}

// Those who ask an injected error what to do are told that a connection broke.
func TestInjectedIsALostConnection(t *testing.T) {
	t.Parallel()
	if err := error(&Injected{AckBefore}); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%v is not a connection that broke", err)
	}
}
