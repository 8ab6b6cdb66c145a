package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"

	"oprun.example/internal/proc"
	"oprun.example/pkg/events"
	"oprun.example/pkg/jobs"
	"oprun.example/pkg/oprun"
)

func (c *publishCommand) validateWait() error {
	switch {
	case c.Timeout < 0:
		return fmt.Errorf("--timeout %s: write a duration above 0, as in 90s", c.Timeout)
	case c.Timeout > 0 && !c.Wait:
		return fmt.Errorf("--timeout %s: it bounds --wait; write that as well", c.Timeout)
	default:
		return nil
	}
}

// publishAndWait publishes the job and shows its run when that has ended. A ledger that cannot be asked is known before
// anything is published.
func (c *publishCommand) publishAndWait(ctx context.Context, a *app, request events.Request) error {
	ledger, closeLedger, err := a.ledger(ctx)
	if err != nil {
		return err
	}
	defer closeLedger()
	return a.withJetStream(ctx, func(ctx context.Context, js jetstream.JetStream) error {
		r, ack, err := c.publish(ctx, a, js, request)
		if err != nil {
			return err
		}
		a.log.Info("waiting for the run", "result", r.Result, "stream", r.Stream, "seq", r.Seq, "request_id", r.RequestID)
		waiter := jobs.NewWaiter(js, ledger, a.subjects())
		return c.await(ctx, a, func(ctx context.Context) (oprun.Run, error) { return waiter.WaitFor(ctx, ack) })
	})
}

var errTimeout = errors.New("the time to wait is up")

// await shows the run that wait returns; the exit code says how it ended.
func (c *publishCommand) await(ctx context.Context, a *app, wait func(ctx context.Context) (oprun.Run, error)) error {
	if c.Timeout > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeoutCause(ctx, c.Timeout, errTimeout)
		defer stop()
	}
	run, err := wait(ctx)
	switch {
	case errors.Is(err, errTimeout):
		return c.timedOut(run)
	case err != nil:
		return explainWait(ctx, err)
	}
	return errors.Join(a.printEnded(run), proc.Ended(run))
}

func (c *publishCommand) timedOut(run oprun.Run) error {
	late := &proc.Error{
		Code: proc.TimedOut, Err: fmt.Errorf("after %s no worker has claimed the job", c.Timeout),
		Hint: "type: consumer run, or see why those that run do not: consumer audit",
	}
	if run.ID != uuid.Nil {
		late.Err = fmt.Errorf("run %s is still %s after %s", run.ID, run.Status, c.Timeout)
		late.Hint = fmt.Sprintf("type: consumer runs watch %s", run.ID)
	}
	return late
}

// explainWait says what to type when it cannot be known what became of a job.
func explainWait(ctx context.Context, err error) error {
	if rejected, ok := errors.AsType[*jobs.RejectedError](err); ok {
		return &proc.Error{Code: proc.Failed, Err: err, Hint: fmt.Sprintf("type: consumer deadletters show %s", rejected.LetterID)}
	}
	if errors.Is(err, events.ErrNoMessage) {
		return &proc.Error{Code: proc.Failed, Err: err, Hint: "the job is in the stream no more: type: consumer runs list, to see whether it ran"}
	}
	return explainDispatch(ctx, err)
}

// printEnded writes the run as a table of one row, or as one JSON object.
func (a *app) printEnded(run oprun.Run) error {
	if a.Output != "table" {
		return a.encode(run)
	}
	table := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "RUN\tOUTCOME\tATTEMPT\tTOOK\tCOUNTS\tFAILURES")
	fmt.Fprintf(table, "%s\t%s\t%d/%d\t%s\t%s\t%s\n", run.ID, run.Outcome, run.Attempt, run.MaxAttempts, took(run), orDash(counts(run)), orDash(failures(run)))
	return table.Flush()
}

// took is how long a run took from its first claim to its end.
func took(run oprun.Run) string {
	if run.StartedAt == nil || run.CompletedAt == nil {
		return "-"
	}
	return run.CompletedAt.Sub(*run.StartedAt).Round(time.Millisecond).String()
}

func counts(run oprun.Run) string {
	var texts []string
	for _, name := range slices.Sorted(maps.Keys(run.SummaryCounts)) {
		texts = append(texts, fmt.Sprintf("%s=%d", name, run.SummaryCounts[name]))
	}
	return strings.Join(texts, " ")
}

// failures are in one line, whatever a ledger that others have written holds.
func failures(run oprun.Run) string {
	const longest = 300
	var texts []string
	for _, f := range run.FailureSummary {
		texts = append(texts, fmt.Sprintf("%d × %s: %s", f.Count, f.Code, f.Message))
	}
	return oprun.OneLine(strings.Join(texts, "; "), longest)
}
