package main

import (
	"context"
	"fmt"
	"os"

	"oprun.example/internal/demo"
	"oprun.example/internal/proc"
)

type demoCommand struct {
	Jobs int `help:"Messages to publish; a fifth of them are duplicates." default:"20000"`
}

// Run plays the demo. Its consumers are this program again.
func (c *demoCommand) Run(ctx context.Context, to streams) error {
	if c.Jobs < 1 {
		return &proc.Error{Code: proc.Usage, Err: fmt.Errorf("--jobs %d: write 1 or more", c.Jobs), Hint: "type: dev demo --help"}
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	line := newProgress(to.err)
	defer line.clear()
	return demo.Run(ctx, demo.Config{
		Jobs: c.Jobs, Out: &afterProgress{line, to.out}, Progress: line.show,
		Self: func() []string { return []string{self, "demo-worker"} },
	})
}

// workerCommand is a consumer process of the demo.
type workerCommand struct{}

func (workerCommand) Run(ctx context.Context, to streams) error {
	log, err := proc.Logger(to.err, "", "error")
	if err != nil {
		return err
	}
	if err := demo.Worker(ctx, log); err != nil {
		return fmt.Errorf("demo worker: %w", err)
	}
	return nil
}
