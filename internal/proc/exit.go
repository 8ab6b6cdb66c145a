package proc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"unicode"
)

// Code is how a process ends. Scripts rely on the numbers.
type Code int

// The six ends of a process.
const (
	OK          Code = 0 // done
	Failed      Code = 1 // anything that has no code of its own
	Usage       Code = 2 // flags, arguments, environment or a file that cannot be understood
	Unavailable Code = 3 // a needed service or program is missing or unreachable
	Partial     Code = 4 // finished, with failures among many
	TimedOut    Code = 5 // a wait that was asked for took too long
)

// maxCode bounds the codes of commands that end as another command ended.
const maxCode = 255

// String is the code's name in lower case.
func (c Code) String() string {
	switch c {
	case OK:
		return "ok"
	case Failed:
		return "failed"
	case Usage:
		return "usage"
	case Unavailable:
		return "unavailable"
	case Partial:
		return "partial"
	case TimedOut:
		return "timed out"
	}
	return fmt.Sprintf("code %d", int(c))
}

// Error is an error that knows how the process ends and what its reader can do about it. Found by errors.As through
// any wrapping; the outermost one counts.
type Error struct {
	Code Code
	// Err is what went wrong. It must not hold secrets.
	Err error
	// Hint is a line that says what to type; empty: none.
	Hint string
}

// Error is the text of Err; the hint is for Report.
func (e *Error) Error() string {
	if e.Err == nil {
		return e.Code.String()
	}
	return e.Err.Error()
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// Main runs a command and ends the process with its exit code; it does not return. The context of run is cancelled by
// the first SIGINT or SIGTERM; run then ends in its own time, and a second signal ends the process at once. An error is
// printed on stderr as Report does it. A command that was asked to stop and did so returns nil.
func Main(name string, run func(ctx context.Context) error) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	// Once the first signal is in, the next one has its default effect again.
	context.AfterFunc(ctx, stop)
	err := run(ctx)
	if cause := context.Cause(ctx); cause != nil && errors.Is(err, context.Canceled) {
		err = fmt.Errorf("stopped before the end: %w", cause)
	}
	os.Exit(Report(os.Stderr, name, err))
}

// Report prints err as `name: text` and its hint, if it has one, on a line of its own, and returns the exit code: the
// one of the outermost *Error in err, 1 for any other error, 0 for nil, which prints nothing.
func Report(w io.Writer, name string, err error) int {
	if err == nil {
		return int(OK)
	}
	code, hint := Failed, ""
	if known, ok := errors.AsType[*Error](err); ok {
		code, hint = known.Code, known.Hint
	}
	if code <= OK || code > maxCode {
		code = Failed // an error never ends well, whatever its code claims
	}
	fmt.Fprintf(w, "%s: %s\n", name, printable(err.Error()))
	if hint != "" {
		fmt.Fprintln(w, printable(hint))
	}
	return int(code)
}

// printable drops what would steer a terminal: the text may quote what a stranger sent.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return -1
		}
		return r
	}, strings.TrimRight(text, "\n"))
}
