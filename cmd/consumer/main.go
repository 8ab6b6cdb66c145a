// Command consumer runs jobs and operates their ledger: it fetches, claims, runs and finishes them, makes the schema,
// the stream and the first tenant, shows, cancels and retries runs, suspends tenants and requeues dead letters.
//
// Data goes to stdout, all else to stderr. It exits with 0 when all is well, 1 when something failed, 2 when flags,
// environment or a file cannot be understood, 3 when a service is missing or unreachable, 4 when some of many failed, and
// 5 when a wait has timed out.
package main

import (
	"context"
	"io"
	"os"

	"oprun.example/internal/proc"
)

// streams are where a command writes: data to out, all else to err.
type streams struct{ out, err io.Writer }

func main() {
	proc.Main("consumer", func(ctx context.Context) error {
		return run(ctx, os.Args[1:], streams{os.Stdout, os.Stderr})
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
