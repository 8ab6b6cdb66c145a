package main

import (
	"context"
	"fmt"
	"os"

	"oprun.example/internal/proc"
	"oprun.example/internal/torture"
)

type tortureCommand struct {
	Seed   uint64 `help:"Decides what the clients ask for and which faults come when." default:"1"`
	Jobs   int    `help:"Requests of the clients." default:"20000"`
	Faults int    `help:"Faults, about 2.5 s apart." default:"30"`
	Dir    string `help:"Folder for the history and the logs; default: a temporary one, kept when something is wrong." type:"path"`
}

// Run tortures the embedded stack. Its consumers and its NATS server are this program again.
func (c *tortureCommand) Run(ctx context.Context, to streams) error {
	if c.Jobs < 1 || c.Faults < 0 {
		return &proc.Error{Code: proc.Usage, Err: fmt.Errorf("--jobs %d --faults %d: write 1 or more jobs, and 0 or more faults", c.Jobs, c.Faults), Hint: "type: dev torture --help"}
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	line := newProgress(to.err)
	defer line.clear()
	return torture.Run(ctx, torture.Config{
		Seed: c.Seed, Jobs: c.Jobs, Faults: c.Faults, Dir: c.Dir, Out: &afterProgress{line, to.out}, Progress: line.show,
		Self: func(part string) []string { return []string{self, part} },
	})
}

// tortureWorkerCommand is a consumer process of the torture.
type tortureWorkerCommand struct{}

func (tortureWorkerCommand) Run(ctx context.Context, to streams) error {
	log, err := proc.Logger(to.err, "", "warn")
	if err != nil {
		return err
	}
	if err := torture.Worker(ctx, to.out, log); err != nil {
		return fmt.Errorf("torture worker: %w", err)
	}
	return nil
}

// tortureNATSCommand is the NATS server of the torture.
type tortureNATSCommand struct{}

func (tortureNATSCommand) Run(ctx context.Context, to streams) error {
	return torture.ServeNATS(ctx, to.out)
}
