package remote

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"oprun.example/pkg/catalog"
	"oprun.example/pkg/jobs"
)

const (
	maxStdout = 1 << 20 // bytes kept, the last ones: the report is at the end
	maxStderr = 4 << 10

	// maxErrorText is what an attempt keeps of an error text, from its beginning; stderr's end must be within it.
	maxErrorText = 4 << 10

	// killAfter is how long a command may take to end after SIGTERM.
	killAfter = 5 * time.Second
)

// command runs a job by a process of its own.
type command struct {
	name  string
	args  []string
	grace time.Duration // between SIGTERM and SIGKILL
	log   *slog.Logger
}

func (c Config) command(h catalog.Handler) (runner, error) {
	if _, err := exec.LookPath(h.Exec[0]); err != nil {
		return nil, fmt.Errorf("find the command: %w", err)
	}
	return (&command{h.Exec[0], h.Exec[1:], killAfter, c.Logger}).run, nil
}

func (c *command) run(ctx context.Context, work *jobs.Work) ending {
	if ctx.Err() != nil {
		return tryAgain(stopped(ctx, c.name))
	}
	cmd := exec.Command(c.name, c.args...) //nolint:noctx // CommandContext would kill the command without its group, and at once
	cmd.Env = environment(os.Environ(), work)
	p, err := start(cmd, work.Input)
	if err != nil {
		return tryAgain(fmt.Errorf("start %s: %w", c.name, err))
	}
	end := p.wait(ctx, c.grace)
	if end == killed {
		c.log.Warn("command killed: it went on after SIGTERM", "run", work, "after", c.grace)
	}
	if end != ended {
		return tryAgain(p.explain(stopped(ctx, c.name)))
	}
	return c.exited(p)
}

// exited reads the exit code. What was reported counts with every code but for the outcome, which is the code's to
// say unless it is 0.
func (c *command) exited(p *process) ending {
	said, err := parse(p.stdout.lastLine())
	code := p.cmd.ProcessState.ExitCode()
	if code == 0 && err != nil {
		return unreadable(err)
	}
	e := ending{fate: fateOfExit(code), report: said}
	if e.fate != done {
		e.err = p.explain(fmt.Errorf("%s: %w", c.name, p.err))
	}
	return e
}

// fateOfExit reads an exit code, -1 for death by a signal. 64 to 78 are those of sysexits.h, 75 is its EX_TEMPFAIL.
func fateOfExit(code int) fate {
	switch {
	case code == 0:
		return done
	case code >= 64 && code <= 78 && code != 75:
		return forGood
	default:
		return again
	}
}

// environment is the worker's own and what there is to say of the attempt. A trace context of the worker is not the
// job's.
func environment(own []string, work *jobs.Work) []string {
	env := slices.DeleteFunc(own, func(variable string) bool {
		return strings.HasPrefix(variable, "TRACEPARENT=") || strings.HasPrefix(variable, "TRACESTATE=")
	})
	env = append(env,
		"OPRUN_RUN_ID="+work.RunID.String(),
		"OPRUN_ATTEMPT="+strconv.Itoa(work.Attempt),
		"OPRUN_SCOPE="+work.Scope.String(),
		"OPRUN_JOB_TYPE="+work.Type,
	)
	if work.TraceParent != "" {
		env = append(env, "TRACEPARENT="+work.TraceParent)
	}
	if work.TraceState != "" {
		env = append(env, "TRACESTATE="+work.TraceState)
	}
	return env
}

// explain adds what the process had to say on stderr.
func (p *process) explain(err error) error {
	said := p.stderr.text(maxErrorText - len(err.Error()) - len("\n"))
	if said == "" {
		return err
	}
	return fmt.Errorf("%w\n%s", err, said)
}
