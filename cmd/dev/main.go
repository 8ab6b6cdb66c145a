// Command dev runs oprun on an embedded stack: a private Postgres and an in-process NATS, both gone when it ends.
package main

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/alecthomas/kong"

	"oprun.example/internal/devstack"
	"oprun.example/internal/proc"
)

// cli is the command line. Flags win over the environment.
type cli struct {
	Demo          demoCommand          `cmd:"" help:"Show on the embedded stack that duplicates, redeliveries and a crash change nothing."`
	Up            upCommand            `cmd:"" help:"Start the embedded stack, print how to reach it, and keep it until Ctrl-C."`
	Exec          execCommand          `cmd:"" help:"Run a command with DATABASE_URL and NATS_URL of a stack of its own."`
	Torture       tortureCommand       `cmd:"" help:"Kill, freeze and restart everything under load on the embedded stack, and audit what became of each job."`
	DemoWorker    workerCommand        `cmd:"" hidden:"" help:"A consumer process of the demo."`
	TortureWorker tortureWorkerCommand `cmd:"" hidden:"" help:"A consumer process of the torture."`
	TortureNATS   tortureNATSCommand   `cmd:"" hidden:"" name:"torture-nats" help:"The NATS server of the torture."`
}

// streams are what a command reads and writes.
type streams struct{ out, err io.Writer }

func main() {
	proc.Main("dev", func(ctx context.Context) error {
		return run(ctx, os.Args[1:], streams{os.Stdout, os.Stderr})
	})
}

func run(ctx context.Context, args []string, to streams) error {
	var c cli
	command, err := proc.Parse(&c, "dev", "oprun on an embedded stack: a private Postgres and an in-process NATS, gone when the command ends.",
		args, to.out, to.err, kong.BindTo(ctx, (*context.Context)(nil)), kong.Bind(to))
	if err != nil {
		return err
	}
	return explain(command.Run())
}

// explain gives a missing PostgreSQL its exit code; its own text says what to type.
func explain(err error) error {
	var missing *devstack.MissingError
	if errors.As(err, &missing) {
		return &proc.Error{Code: proc.Unavailable, Err: err}
	}
	return err
}
