package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"oprun.example/internal/bulk"
	"oprun.example/internal/proc"
	"oprun.example/pkg/events"
)

// many are the flags of a publication of many jobs.
type many struct {
	From       string    `group:"Many jobs:" placeholder:"FILE" help:"Publish the jobs of a file, one JSON object a line; - reads stdin."`
	Refused    string    `group:"Many jobs:" placeholder:"FILE" help:"Where lines go that are no jobs. Default: the name of --from and .refused."`
	Again      bool      `group:"Many jobs:" help:"Publish a file again, as new jobs, when it was published whole before."`
	Batch      uuid.UUID `group:"Many jobs:" placeholder:"ID" help:"Go on with this batch. Needed for stdin alone; a file's is in its resume file."`
	ResumeFile string    `group:"Many jobs:" placeholder:"FILE" help:"Remembers the batch, and how far it is. Default: the name of --from and .resume; none for stdin."`
}

const manyHelp = `

With --from it publishes a file of jobs, each line as in

	{"type": "assignments.fetch", "tenant": "<id>", "input": {"connection_id": 7}}

A line may have request_id, initiator and run_id as well, and workspace in the place of tenant; what it lacks is taken from --type, --tenant, --workspace and --initiator. Lines that are no jobs are kept in the file of --refused, each with its number and the reason, and the others are published; then the exit code is 4. Whatever stops it, typing the same again goes on where it was, and no job is asked for twice.`

func (c *publishCommand) validateMany() error {
	if c.From == "" {
		if c.many != (many{}) {
			return errors.New("--refused, --again, --batch and --resume-file are for --from")
		}
		return nil
	}
	switch {
	case c.RunID != uuid.Nil || c.RequestID != "" || c.Input != "{}":
		return errors.New("--from: --input, --request-id and --run-id are of one job: write input, request_id and run_id on its line")
	case c.Ledger:
		return errors.New("--from: --ledger writes one run at a time: leave it out, or use DispatchMany of pkg/jobs")
	case c.Wait:
		return errors.New("--from: --wait waits for one run: leave it out, and type consumer runs list")
	case c.Batch != uuid.Nil:
		if err := bulk.ValidBatch(c.Batch); err != nil {
			return fmt.Errorf("--batch: %w", err)
		}
	}
	return nil
}

// publishMany publishes the lines of a file, and shows what became of them, whether it gets to the end or not.
func (c *publishCommand) publishMany(ctx context.Context, a *app) error {
	declared, err := loadCatalog("catalog", a.Catalog)
	if err == nil && c.Type != "" {
		_, err = c.declaration(declared, a.Catalog)
	}
	if err != nil {
		return err
	}
	ctx, stop, err := a.trace(ctx)
	if err != nil {
		return err
	}
	defer stop()
	return a.withJetStream(ctx, func(ctx context.Context, js jetstream.JetStream) error {
		progress, stdin := newProgress(a), io.Reader(nil)
		if c.From == bulk.Stdin {
			stdin = proc.Interruptible(ctx, a.in)
		}
		report, err := bulk.Publish(ctx, bulk.Config{
			From: c.From, In: stdin, Catalog: declared, Log: a.log, Progress: progress.showMany,
			Defaults:  bulk.Asked{Type: c.Type, Scope: c.scope(), Initiator: c.Initiator, Coalesce: c.Coalesce},
			Publisher: events.NewPublisher(js, events.PublisherConfig{Subjects: a.subjects(), TracerProvider: a.tracer}),
			Target:    a.target(), Batch: c.Batch, Again: c.Again, Resume: c.ResumeFile, Refused: c.Refused,
		})
		progress.clear()
		if report.Batch == uuid.Nil {
			return c.explainStart(err)
		}
		return errors.Join(a.printReport(report), c.explainStop(err, report))
	})
}

// target names the stream as far as a publisher knows it.
func (a *app) target() string {
	return proc.RedactNATS(cmp.Or(a.NATSURL, nats.DefaultURL)) + " " + a.subjects().All()
}

// explainStart says what to type when nothing could be begun.
func (c *publishCommand) explainStart(err error) error {
	if choice, ok := errors.AsType[*bulk.ChoiceError](err); ok {
		return &proc.Error{Code: proc.Usage, Err: err, Hint: choice.Hint}
	}
	return &proc.Error{Code: proc.Usage, Err: fmt.Errorf("--from %s: %w", c.From, err), Hint: "nothing was published; --resume-file and --refused name other places for these files"}
}

// explainStop says up to where everything is in the stream, why no further, and what to type.
func (c *publishCommand) explainStop(err error, r bulk.Report) error {
	if err == nil {
		if r.Refused == 0 {
			return nil
		}
		return &proc.Error{
			Code: proc.Partial, Err: fmt.Errorf("%d of %d lines are no jobs: see %s", r.Refused, r.Lines, r.RefusedFile),
			Hint: fmt.Sprintf("to publish them as well, mend what this gives, and publish that: jq -r .text %s", r.RefusedFile),
		}
	}
	resume := "type the same again"
	if c.From == bulk.Stdin {
		resume = fmt.Sprintf("type the same again, with --batch %s and from the first line", r.Batch)
	}
	known := explainPublish(err)
	if known.Hint != "" {
		resume = known.Hint + "; then " + resume
	}
	but := ""
	if r.Refused > 0 {
		but = fmt.Sprintf(" but the %d in %s", r.Refused, r.RefusedFile)
	}
	// Without %w: the cause of an asked-for stop would take the place of all this.
	return &proc.Error{
		Code: known.Code, Err: fmt.Errorf("stopped: every line up to line %d%s is in the stream, and later ones may be: %s", r.UpTo, but, known.Err.Error()),
		Hint: resume + ": it goes on from there, and asks for no job twice",
	}
}

// explainPublish gives an error of a publication its exit code, and says what would mend it.
func explainPublish(err error) *proc.Error {
	switch {
	case errors.Is(err, events.ErrNoStream):
		return &proc.Error{Code: proc.Unavailable, Err: err, Hint: "type: consumer topology apply --max-bytes <size>"}
	case errors.Is(err, events.ErrStreamFull):
		return &proc.Error{Code: proc.Failed, Err: err, Hint: "type: consumer topology apply --max-bytes <more>"}
	case errors.Is(err, events.ErrNotAllowed):
		return &proc.Error{Code: proc.Failed, Err: err, Hint: "give this user the right to publish it, or export NATS_CREDS=<another's file>"}
	case errors.Is(err, events.ErrNoAck):
		return &proc.Error{Code: proc.Unavailable, Err: err}
	}
	return &proc.Error{Code: proc.Failed, Err: err}
}

// printReport writes what became of a file's lines as a table of one row, or as one JSON object.
func (a *app) printReport(r bulk.Report) error {
	if a.Output != "table" {
		return a.encode(r)
	}
	table := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "LINES\tACCEPTED\tSUPPRESSED\tREFUSED\tSECONDS\tJOBS/S\tBATCH")
	fmt.Fprintf(table, "%d\t%d\t%d\t%d\t%.1f\t%.0f\t%s\n", r.Lines, r.Accepted, r.Suppressed, r.Refused, r.Seconds, r.PerSecond, r.Batch)
	return table.Flush()
}
