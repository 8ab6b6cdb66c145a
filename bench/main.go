package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

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
	Rounds int      `help:"Rounds of all contestants (5)."`
	Only   []string `help:"These scenarios only, by name." placeholder:"NAME"`
	Smoke  bool     `help:"One tiny round of everything: does every contestant do its work? It prints no figures."`
	Write  bool     `help:"Rewrite the figures and the chart in the documentation instead of printing them."`

	Profile string `help:"Write a CPU profile of each process into this folder, and what Postgres' statements cost, with pg_stat_statements, where there is such a thing. Of several rounds the last one's profile stays. Profiling costs: these figures do not count." placeholder:"DIR"`
}

func (c *runCommand) Run(ctx context.Context, to streams) error {
	chosen, err := choose(c.Only)
	if err != nil {
		return err
	}
	r := runner{rounds: cmp.Or(c.Rounds, fewRounds), scale: 1, log: to.err, profile: c.Profile}
	if err := c.refuse(r.rounds, chosen); err != nil {
		return err
	}
	if c.Smoke {
		r.rounds, r.scale, r.smoke = 1, smokeScale, true
	}
	results, err := r.run(ctx, chosen)
	switch {
	case err != nil:
		return err
	case c.Smoke:
		_, err := fmt.Fprintf(to.out, "every contestant of %s did its work\n", strings.Join(namesOf(chosen), ", "))
		return err
	case c.Write:
		return results.write(root)
	default:
		return printSections(to.out, results.sections())
	}
}

// refuse says what is not to be measured, before it is.
func (c *runCommand) refuse(rounds int, chosen []scenario) error {
	if c.Profile != "" && c.Write {
		return wrongUsage("figures with a --profile are not worth a --write")
	}
	if c.Smoke && (c.Write || c.Rounds != 0) {
		return wrongUsage("a --smoke has one round, and no figures to --write")
	}
	if !c.Write {
		return atLeastOne(rounds)
	}
	return refuseWrite(rounds, results{scenarios: chosen}.sectionNames()...)
}

const (
	root      = ".." // of the repository: bench is run in its folder
	fewRounds = 5    // the default, and the fewest that are worth being written
)

func wrongUsage(text string) error { return &proc.Error{Code: proc.Usage, Err: errors.New(text)} }

func atLeastOne(rounds int) error {
	if rounds < 1 {
		return wrongUsage("--rounds is at least 1")
	}
	return nil
}

// refuseWrite says what is not to be written: too few rounds, and what has no place.
func refuseWrite(rounds int, sections ...string) error {
	if rounds < fewRounds {
		return wrongUsage(fmt.Sprintf("--write wants at least %d rounds", fewRounds))
	}
	return findPlaces(root, sections)
}
