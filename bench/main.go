package main

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/alecthomas/kong"

	"oprun.example/internal/proc"
)

// cli is the command line.
type cli struct {
	Run  runCommand  `cmd:"" default:"withargs" help:"Measure, and print what came out as Markdown."`
	Grow growCommand `cmd:"" help:"Measure with many finished runs in the ledger, and while they are deleted."`
	Soak soakCommand `cmd:"" help:"Measure for a long time at half of the maximum: does anything grow?"`
	Play playCommand `cmd:"" hidden:"" help:"A process of a contestant. It talks to its parent in JSON, over its input and output."`
	NATS natsCommand `cmd:"" hidden:"" name:"nats" help:"The nats-server of the contestants, until its input ends."`
}

// streams are what a command reads and writes.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

func main() {
	proc.Main("bench", func(ctx context.Context) error {
		return run(ctx, os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr})
	})
}

func run(ctx context.Context, args []string, to streams) error {
	var c cli
	command, err := proc.Parse(&c, "bench", "How fast oprun is, side by side with others, in one run.",
		args, to.out, to.err, kong.BindTo(ctx, (*context.Context)(nil)), kong.Bind(to))
	if err != nil {
		return err
	}
	return command.Run()
}

// runCommand measures.
type runCommand struct {
	Rounds int      `help:"Rounds of all contestants (5)." default:"5"`
	Only   []string `help:"These scenarios only, by name." placeholder:"NAME"`
	Smoke  bool     `help:"One tiny round of everything: does every contestant do its work? The figures mean nothing."`
	Write  bool     `help:"Rewrite the figures and the chart in the documentation instead of printing them."`
}

func (c *runCommand) Run(ctx context.Context, to streams) error {
	if c.Rounds < 1 || c.Smoke && c.Write {
		return &proc.Error{Code: proc.Usage, Err: errors.New("--rounds is at least 1, and a --smoke's figures are not worth a --write")}
	}
	chosen, err := choose(c.Only)
	if err != nil {
		return err
	}
	r := runner{rounds: c.Rounds, scale: 1, log: to.err}
	if c.Smoke {
		r.rounds, r.scale = 1, smokeScale
	}
	results, err := r.run(ctx, chosen)
	if err != nil {
		return err
	}
	if !c.Write {
		return printSections(to.out, results.sections())
	}
	return results.write("..")
}
