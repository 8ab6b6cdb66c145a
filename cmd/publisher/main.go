// Command publisher publishes jobs: it knows the catalogue, and so computes what makes two jobs the same as a worker
// would.
//
// Data goes to stdout, all else to stderr. It exits with 0 when the stream (with --ledger: the ledger) has the job,
// also when it had it before, 1 when something failed, 2 when flags, environment or a file cannot be understood, and 3
// when NATS, the stream or the ledger is missing or unreachable. With --wait it exits with 0 when the run has succeeded, 4
// when it has partially, 1 when it ended otherwise, and 5 when the time to wait is up. Of many jobs, or messages, it exits with 4
// when some were refused, or ended otherwise than well. "catalog check --strict" exits with 1 when there is something to look at.
package main

import (
	"context"
	"io"
	"os"

	"oprun.example/internal/proc"
)

// streams are what a command reads and where it writes: data to out, all else to err.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

func main() {
	proc.Main("publisher", func(ctx context.Context) error {
		return run(ctx, os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr})
	})
}

// run parses the command line and runs what it asks for.
func run(ctx context.Context, args []string, to streams) error {
	command, settings, err := parse(args, to)
	if err != nil {
		return err
	}
	log, err := proc.Logger(to.err, settings.LogFormat, settings.LogLevel)
	if err != nil {
		return err
	}
	command.BindTo(ctx, (*context.Context)(nil))
	return command.Run(&app{settings: settings, streams: to, log: log})
}
