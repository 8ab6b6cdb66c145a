package main

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"oprun.example/internal/proc"
	"oprun.example/pkg/oprun"
)

// watchEvery is how often the ledger is asked how a run stands.
const watchEvery = 250 * time.Millisecond

type runsWatchCommand struct {
	ID      uuid.UUID     `arg:"" help:"The run's id."`
	Timeout time.Duration `placeholder:"DURATION" help:"How long to wait for its end, as in 90s. Default: as long as it takes."`
}

// Help is the longer text of --help.
func (*runsWatchCommand) Help() string {
	return "Prints the run whenever it changes; with --output json, once, when it has ended. " +
		"Exits with 0 when it succeeded, 4 when it succeeded partially, 1 when it ended otherwise, and 5 when --timeout has passed."
}

// Run follows the run.
func (c *runsWatchCommand) Run(ctx context.Context, a *app) error {
	if c.Timeout < 0 {
		return misuse("runs watch", "--timeout %s: write a duration above 0, as in 90s", c.Timeout)
	}
	return a.withLedger(ctx, func(ledger *oprun.Ledger) error {
		run, err := c.follow(ctx, a, ledger)
		if err != nil {
			return noRun(err)
		}
		return proc.Ended(run)
	})
}

// follow prints the run's changes until it has ended.
func (c *runsWatchCommand) follow(ctx context.Context, a *app, ledger *oprun.Ledger) (run oprun.Run, err error) {
	var timeout <-chan time.Time // never, when nobody set one
	if c.Timeout > 0 {
		timeout = time.After(c.Timeout)
	}
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for shown := ""; ; {
		if run, err = ledger.Run(ctx, c.ID); err != nil {
			return run, err
		}
		if state := stateOf(run); state != shown {
			shown = state
			if err := a.printState(ctx, ledger, run); err != nil {
				return run, err
			}
		}
		if run.CompletedAt != nil {
			return run, nil
		}
		select {
		case <-ctx.Done():
			return run, ctx.Err()
		case <-timeout:
			return run, &proc.Error{
				Code: proc.TimedOut, Err: fmt.Errorf("run %s is still %s after %s", run.ID, run.Status, c.Timeout),
				Hint: fmt.Sprintf("type: consumer runs show %s", run.ID),
			}
		case <-tick.C:
		}
	}
}

// printState writes how the run stands, in the form that was asked for.
func (a *app) printState(ctx context.Context, ledger *oprun.Ledger, run oprun.Run) error {
	switch {
	case a.Output == tableOutput:
		_, err := fmt.Fprintf(a.out, "%s  %s\n", moment(time.Now()), cell(stateOf(run), maxText))
		return err
	case a.Output == ndjsonOutput || run.CompletedAt != nil:
		return a.printStory(ctx, ledger, run)
	default:
		return nil
	}
}

// stateOf is what of a run changes while it is watched, in words.
func stateOf(run oprun.Run) string {
	text := run.Status
	if run.CompletedAt != nil {
		text = string(run.Outcome)
	}
	text += fmt.Sprintf(", attempt %d of %d", run.Attempt, run.MaxAttempts)
	switch {
	case run.CompletedAt != nil:
		if why := failures(story{Run: run}); why != "" {
			text += ": " + why
		}
	case run.CancelRequestedAt != nil:
		text += ", cancellation asked for"
	case run.Parked():
		text += ", parked until its tenant is resumed"
	case run.FollowUp:
		text += ", waits behind the run of its identity"
	case run.Status == "queued" && time.Until(run.RunAt) > 0:
		text += ", due " + moment(run.RunAt)
	}
	return text
}
