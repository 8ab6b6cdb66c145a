package main

import (
	"context"
	"errors"
	"fmt"
	"os/user"

	"github.com/google/uuid"

	"oprun.example/internal/proc"
	"oprun.example/pkg/jobs"
	"oprun.example/pkg/oprun"
)

// asker says who asks.
type asker struct {
	By string `placeholder:"NAME" help:"Who asks; the ledger keeps it. Default: the user of this process."`
}

// name is what the flag says, or the system's name of the user; empty where there is none.
func (b asker) name(command string) (string, error) {
	const longest = 128
	switch {
	case b.By == "":
		if u, err := user.Current(); err == nil {
			return u.Username, nil
		}
		return "", nil
	case oprun.OneLine(b.By, longest) != b.By:
		return "", misuse(command, "--by: write one line of up to %d printable characters", longest)
	default:
		return b.By, nil
	}
}

type runsCancelCommand struct {
	ID     uuid.UUID `arg:"" help:"The run's id."`
	Reason string    `placeholder:"TEXT" help:"Why, in one line; the ledger keeps it."`
	asker
}

// Help is the longer text of --help.
func (*runsCancelCommand) Help() string {
	return "A queued run ends at once. A running one is asked to stop: it keeps its identity until its handler has stopped, and a success that comes first stands. " +
		"A run that has ended stays as it is, and that is no failure: whoever asks has what they want. The answer is the run as it then stands."
}

// Run cancels the run and shows how it stands.
func (c *runsCancelCommand) Run(ctx context.Context, a *app) error {
	by, err := c.name("runs cancel")
	if err != nil {
		return err
	}
	return a.withLedger(ctx, func(ledger *oprun.Ledger) error {
		before, err := ledger.Run(ctx, c.ID)
		if err != nil {
			return noRun(err)
		}
		run, err := ledger.Cancel(ctx, c.ID, by, c.Reason)
		if err != nil {
			return noRun(err)
		}
		switch {
		case before.CompletedAt != nil || run.CompletedAt != nil && run.Outcome != oprun.Cancelled:
			a.log.Info("the run had ended before: nothing was cancelled")
		case run.CompletedAt != nil:
			a.log.Info("the run is cancelled")
			a.announce(ctx, run)
		default:
			a.log.Info("cancellation asked for: the run ends when its handler has stopped, or its lease is over")
		}
		return a.printStory(ctx, ledger, run)
	})
}

// announce tells whoever listens that a run has ended. It tries NATS once: the ledger has the end, with it or without.
func (a *app) announce(ctx context.Context, run oprun.Run) {
	conn, err := proc.ConnectNATS(ctx, a.nats(), a.log, 0)
	if err == nil {
		defer conn.Close()
		err = jobs.Announce(ctx, conn, a.subjects(), run)
	}
	if err != nil {
		a.log.Info("nats does not answer: nobody hears of the end, who waits for it finds it in the ledger", "error", err)
	}
}

type runsRetryCommand struct {
	ID uuid.UUID `arg:"" help:"The id of the run that has ended."`
	asker
}

// Help is the longer text of --help.
func (*runsRetryCommand) Help() string {
	return "The old run stays as it is; the new one has its identity and its input, and names it in its context (retry_of), as the old one names the new (retried_as). " +
		"A run is tried again once, however often you type it: what has failed again is tried again by the new run's id. " +
		"A run that came as a message and ended before its input was kept gets it back from the stream: only then is NATS needed."
}

// Run makes the new run and shows it.
func (c *runsRetryCommand) Run(ctx context.Context, a *app) error {
	by, err := c.name("runs retry")
	if err != nil {
		return err
	}
	return a.withLedger(ctx, func(ledger *oprun.Ledger) error {
		run, err := ledger.Retry(ctx, c.ID, by, nil)
		if errors.Is(err, oprun.ErrNoInput) {
			run, err = c.fromStream(ctx, a, ledger, by, err)
		}
		if err != nil {
			return explainRetry(c.ID, err)
		}
		return a.printStory(ctx, ledger, run)
	})
}

// fromStream retries a run that keeps no input, unless the stream cannot help.
func (c *runsRetryCommand) fromStream(ctx context.Context, a *app, ledger *oprun.Ledger, by string, noInput error) (again oprun.Run, err error) {
	old, err := ledger.Run(ctx, c.ID)
	if err != nil {
		return again, err
	}
	if !jobs.InStream(old) {
		return again, noInput
	}
	err = a.withOperator(ctx, ledger, func(operator *jobs.Operator) error {
		again, err = operator.Retry(ctx, c.ID, by)
		return err
	})
	return again, err
}

// explainRetry says what to type when a run cannot be tried again.
func explainRetry(id uuid.UUID, err error) error {
	if active, ok := errors.AsType[*oprun.ActiveRunError](err); ok {
		return &proc.Error{Code: proc.Failed, Err: err, Hint: fmt.Sprintf("type: consumer runs watch %s, and then the same again; or first: consumer runs cancel %[1]s", active.RunID)}
	}
	if retried, ok := errors.AsType[*oprun.RetriedError](err); ok {
		return &proc.Error{Code: proc.Failed, Err: err, Hint: fmt.Sprintf("type: consumer runs show %s, and retry that one if it has failed, too", retried.RunID)}
	}
	switch {
	case errors.Is(err, oprun.ErrActive):
		return &proc.Error{Code: proc.Failed, Err: err, Hint: fmt.Sprintf("type: consumer runs watch %s, to see it end", id)}
	case errors.Is(err, oprun.ErrNoInput), errors.Is(err, oprun.ErrSucceeded):
		return &proc.Error{Code: proc.Failed, Err: err, Hint: "type: publisher publish, with the input, for a new request"}
	default:
		return noRun(err)
	}
}
