package remote

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// script is a command that the shell reads, with its arguments as $0, $1 and so on.
func script(t *testing.T, text string, args ...string) *command {
	t.Helper()
	return &command{name: "sh", args: append([]string{"-c", text}, args...), grace: killAfter, log: discard}
}

func TestCommandReadsTheExitCode(t *testing.T) {
	t.Parallel()
	fates := map[fate][]string{
		done:    {"exit 0"},
		again:   {"exit 1", "exit 2", "exit 63", "exit 75", "exit 79", "exit 126", "exit 127", "exit 255", "kill -9 $$", "kill $$"},
		forGood: {},
	}
	for code := 64; code <= 78; code++ {
		if code != 75 {
			fates[forGood] = append(fates[forGood], fmt.Sprintf("exit %d", code))
		}
	}
	for want, texts := range fates {
		for _, text := range texts {
			e := script(t, text).run(t.Context(), newWork("{}"))
			if e.fate != want || e.after != 0 || (e.err == nil) != (want == done) {
				t.Errorf("%s: fate %d, want %d; after %s, %v", text, e.fate, want, e.after, e.err)
			}
		}
	}
}

func TestCommandReadsItsInput(t *testing.T) {
	t.Parallel()
	input := `{"key":"` + strings.Repeat("x", 256<<10) + `"}`
	e := script(t, `test "$(wc -c)" -eq `+fmt.Sprint(len(input))).run(t.Context(), newWork(input))
	if e.fate != done {
		t.Error(e.err)
	}
}

func TestCommandNeedNotReadItsInput(t *testing.T) {
	t.Parallel()
	e := script(t, "exec <&-; echo '{\"outcome\":\"blocked\"}'").run(t.Context(), newWork(strings.Repeat("x", 256<<10)))
	if e.fate != done || e.report.outcome != blocked {
		t.Error(e.err)
	}
}

func TestCommandKnowsItsRunFromTheEnvironment(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "environment")
	if e := script(t, `env >"$0"`, path).run(t.Context(), newWork("{}")); e.fate != done {
		t.Fatal(e.err)
	}
	var got []string
	for line := range strings.Lines(string(must(os.ReadFile(path))(t))) {
		if strings.HasPrefix(line, "OPRUN_") || strings.HasPrefix(line, "TRACE") || strings.HasPrefix(line, "PATH=") {
			got = append(got, strings.TrimSpace(line))
		}
	}
	for _, want := range []string{
		"OPRUN_RUN_ID=" + testRun.String(), "OPRUN_ATTEMPT=2", "OPRUN_SCOPE=tenant." + testTenant.String(),
		"OPRUN_JOB_TYPE=assignments.fetch", "TRACEPARENT=" + testParent, "TRACESTATE=" + testState, "PATH=" + os.Getenv("PATH"),
	} {
		if !strings.Contains("\n"+strings.Join(got, "\n")+"\n", "\n"+want+"\n") {
			t.Errorf("no %s in %q", want, got)
		}
	}
}

func TestEnvironmentHasNoTraceOfAnother(t *testing.T) {
	t.Parallel()
	work := newWork("{}")
	work.TraceParent, work.TraceState = "", ""
	own := []string{"HOME=/", "TRACEPARENT=ours", "TRACESTATE=ours", "TRACEPARENTS=2"}
	got := environment(own, work)
	if diff := cmp.Diff([]string{"HOME=/", "TRACEPARENTS=2"}, got[:2]); diff != "" || len(got) != 6 {
		t.Errorf("%q: %s", got, diff)
	}
}

// The command cat says on stdout what its input is.
func TestCommandReadsTheLastLineOfStdout(t *testing.T) {
	t.Parallel()
	const line = `{"outcome":"blocked","summary_counts":{"total":2},"failures":[{"code":"a.b","message":"m"}]}`
	said := report{blocked, map[string]int64{"total": 2}, []failure{{"a.b", "m"}}}
	for name, c := range map[string]struct {
		stdout string
		want   report
	}{
		"alone":                                   {line, said},
		"after a log":                             {"one\ntwo\n" + line + "\n", said},
		"before empty lines":                      {"one\n" + line + "\r\n\n  \n", said},
		"after more than 1 MiB of log":            {strings.Repeat("a line\n", 300_000) + line + "\n", said},
		"not when another line follows":           {line + "\nbye\n", report{}},
		"not when it is another object":           {line + "\n" + `{"level":"info","msg":"bye"}`, report{}},
		"not when it spans lines":                 {"{\n\"outcome\":\"blocked\"\n}\n", report{}},
		"not when it is longer than what is kept": {`{"outcome":"blocked","x":"` + strings.Repeat("x", 1<<20) + `"}`, report{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := script(t, "cat").run(t.Context(), newWork(c.stdout))
			if len(e.report.counts) == 0 {
				e.report.counts = nil
			}
			if diff := cmp.Diff(c.want, e.report, reports); diff != "" || e.fate != done {
				t.Errorf("fate %d, %v: %s", e.fate, e.err, diff)
			}
		})
	}
}

func TestCommandFailsForGoodOnAReportThatCannotBeRead(t *testing.T) {
	t.Parallel()
	e := script(t, "cat").run(t.Context(), newWork(`{"outcome":"fine"}`))
	wantInvalid(t, e, "the report's outcome is unknown")
}

func TestCommandReportsCountsAndFailuresWithEveryExitCode(t *testing.T) {
	t.Parallel()
	const line = `{"outcome":"succeeded","summary_counts":{"total":2},"failures":[{"code":"a.b","message":"m"}]}`
	for code, want := range map[string]fate{"1": again, "75": again, "65": forGood} {
		e := script(t, `cat; exit $0`, code).run(t.Context(), newWork(line))
		said := report{succeeded, map[string]int64{"total": 2}, []failure{{"a.b", "m"}}}
		if diff := cmp.Diff(said, e.report, reports); diff != "" || e.fate != want {
			t.Errorf("exit %s: fate %d: %s", code, e.fate, diff)
		}
	}
	if e := script(t, "cat; exit 1").run(t.Context(), newWork(`{"outcome":"fine"}`)); e.fate != again {
		t.Errorf("fate %d", e.fate)
	}
}

func TestCommandKeepsTheLastOfStderrForTheAttempt(t *testing.T) {
	t.Parallel()
	for _, code := range []string{"1", "65"} {
		e := script(t, `yes "some line" | head -c 100000 >&2; printf 'b\303\244d \377\n' >&2; echo on stdout; exit $0`, code).
			run(t.Context(), newWork("{}"))
		wantText(t, e.err, "sh: exit status "+code+"\n", "some line\n")
		wantNone(t, e.err, "on stdout")
		if text := e.err.Error(); len(text) < 4000 || len(text) > 4096 || !strings.HasSuffix(text, "\nbäd ?") {
			t.Errorf("%d bytes, the last of them %q", len(text), text[len(text)-20:])
		}
	}
}

func TestCommandThatDoesNotStartIsTriedAgain(t *testing.T) {
	t.Parallel()
	c := &command{name: filepath.Join(t.TempDir(), "gone"), args: []string{"--token=s3cr3t"}, grace: killAfter, log: discard}
	e := c.run(t.Context(), newWork("{}"))
	if e.fate != again {
		t.Errorf("fate %d", e.fate)
	}
	wantText(t, e.err, "start ", "no such file")
	wantNone(t, e.err, "s3cr3t")
}

func TestCommandDoesNotStartWithoutTime(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), -time.Second)
	defer cancel()
	path := filepath.Join(t.TempDir(), "started")
	wantStopped(t, script(t, `: >"$0"`, path).run(ctx, newWork("{}")), context.DeadlineExceeded)
	if _, err := os.Stat(path); err == nil {
		t.Error("it started")
	}
}
