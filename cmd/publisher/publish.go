package main

import (
	"context"
	"errors"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"

	"oprun.example/internal/bulk"
	"oprun.example/internal/proc"
	"oprun.example/pkg/catalog"
	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
)

type publishCommand struct {
	Type      string        `placeholder:"TYPE" help:"Job type, as the catalogue names it."`
	Tenant    uuid.UUID     `xor:"scope" placeholder:"ID" help:"The tenant's external id."`
	Workspace uuid.UUID     `xor:"scope" placeholder:"ID" help:"The workspace's id, for a job that belongs to no tenant."`
	Input     string        `default:"{}" placeholder:"JSON" help:"The job's input, one JSON object; @FILE reads it from a file, - from stdin. Default: ${default}."`
	RunID     uuid.UUID     `placeholder:"ID" help:"The run, when the ledger has it already."`
	RequestID string        `placeholder:"TEXT" help:"Your own id of this request, 1 to 128 visible ASCII characters: asked again with it, the job runs once. Default: a new one."`
	Initiator string        `placeholder:"TEXT" help:"Who asks. Default: system."`
	Ledger    bool          `help:"Write the run into the ledger, whose relay publishes it: as durable as Postgres. Needs DATABASE_URL; NATS may be away."`
	Wait      bool          `help:"Wait for the run to end, and show it instead. Needs DATABASE_URL."`
	Timeout   time.Duration `placeholder:"DURATION" help:"How long --wait waits, as in 90s. Default: as long as it takes."`
	Coalesce  bool          `help:"Let the broker drop this request when one of the same identity was stored within its dedupe window."`

	many `embed:""`
}

// Help is the longer text of --help.
func (*publishCommand) Help() string {
	return `An example:

	publisher publish --type assignments.fetch --tenant <id> --input '{"connection_id": 7}'

The answer says where the stream has the job, and which run it makes unless it joins one of the same identity. "suppressed" says that the stream had the message already: nothing was added, and that is no failure.

With --ledger the answer is the run itself: "created", or "joined" when the request is served by a run that is there.

With --wait the answer is the run when it has ended: the one that this job made, or the one that it joined. Then the exit code is 0 when it succeeded, 4 when it succeeded partially, 1 when it ended otherwise or the job was rejected, and 5 when --timeout has passed.` + manyHelp
}

// Run publishes the job and shows where it is.
func (c *publishCommand) Run(ctx context.Context, a *app) error {
	if err := errors.Join(c.validateMany(), c.validateWait(), a.validateSubjects()); err != nil {
		return misuse("publish", "%w", err)
	}
	if c.From != "" {
		return c.publishMany(ctx, a)
	}
	if err := c.validateOne(); err != nil {
		return err
	}
	declared, err := loadCatalog("catalog", a.Catalog)
	if err != nil {
		return err
	}
	job, err := c.declaration(declared, a.Catalog)
	if err != nil {
		return err
	}
	ctx, stop, err := a.trace(ctx)
	if err != nil {
		return err
	}
	defer stop()
	if c.Ledger {
		return c.dispatch(ctx, a, declared)
	}
	request, err := c.request(ctx, job, a.in)
	if err != nil {
		return err
	}
	if c.Wait {
		return c.publishAndWait(ctx, a, request)
	}
	return a.withJetStream(ctx, func(ctx context.Context, js jetstream.JetStream) error {
		r, _, err := c.publish(ctx, a, js, request)
		if err != nil {
			return err
		}
		return a.print(r)
	})
}

// validateOne asks for what one job must have, and of many each line may.
func (c *publishCommand) validateOne() error {
	switch {
	case c.Type == "":
		return misuse("publish", "missing flags: --type=TYPE (or --from=FILE)")
	case c.scope().ID == uuid.Nil:
		return misuse("publish", "missing flags: --tenant=ID or --workspace=ID")
	}
	return nil
}

// publish publishes the job and waits until the stream has it.
func (c *publishCommand) publish(ctx context.Context, a *app, js jetstream.JetStream, request events.Request) (receipt, events.Ack, error) {
	ack, err := events.NewPublisher(js, events.PublisherConfig{Subjects: a.subjects(), TracerProvider: a.tracer}).Publish(ctx, request)
	if err != nil {
		return receipt{}, ack, explain(ctx, err, ack.RequestID)
	}
	if ack.Duplicate && ack.Tries > 1 {
		a.log.Info("the acknowledgement came late: the message that was there may be this very request", "tries", ack.Tries)
	}
	return receiptOf(request, ack, a.subjects()), ack, nil
}

// declaration finds what the catalogue of this path says of the type.
func (c *publishCommand) declaration(declared *catalog.Catalog, path string) (catalog.Job, error) {
	job, ok := declared.Jobs[c.Type]
	if !ok {
		return job, misuse("publish", "--type: %s declares no job type %q, but %s", path, c.Type, someTypes(declared))
	}
	if scope := c.scope(); scope.ID != uuid.Nil && scope.Kind != job.ScopeKind {
		return job, misuse("publish", "--%s: %s is a job of a %s", scope.Kind, c.Type, job.ScopeKind)
	}
	return job, nil
}

// someTypes are the declared job types by name, the first ten of them, for who has mistyped one.
func someTypes(declared *catalog.Catalog) string {
	names := slices.Sorted(maps.Keys(declared.Jobs))
	if len(names) > 10 {
		names = append(names[:10], "…")
	}
	return strings.Join(names, ", ")
}

func (c *publishCommand) scope() dedupe.Scope {
	if c.Workspace != uuid.Nil {
		return dedupe.Workspace(c.Workspace)
	}
	return dedupe.Tenant(c.Tenant)
}

// request is the job as the publisher takes it. What a worker would bury is refused here.
func (c *publishCommand) request(ctx context.Context, job catalog.Job, stdin io.Reader) (events.Request, error) {
	input, err := readInput(ctx, c.Input, stdin)
	if err != nil {
		return events.Request{}, err
	}
	asked := bulk.Asked{
		Type: c.Type, Scope: c.scope(), Input: input, RunID: c.RunID, RequestID: c.RequestID, Initiator: c.Initiator, Coalesce: c.Coalesce,
	}
	request, err := asked.Request(job)
	if about, ok := errors.AsType[*bulk.FieldError](err); ok {
		return request, misuse("publish", "--%s: %w", about.Field, about.Err)
	}
	if err != nil {
		return request, misuse("publish", "%w", err)
	}
	return request, nil
}

// readInput returns what --input says: itself, the file after @, or stdin for -. It reads no more than shows that it
// is too much.
func readInput(ctx context.Context, text string, stdin io.Reader) ([]byte, error) {
	var source io.Reader
	what := "stdin"
	switch path, file := strings.CutPrefix(text, "@"); {
	case file:
		opened, err := os.Open(path)
		if err != nil {
			return nil, misuse("publish", "--input: %w", err)
		}
		defer opened.Close()
		source, what = opened, path
	case text == "-":
		source = proc.Interruptible(ctx, stdin)
	default:
		return []byte(text), nil
	}
	input, err := io.ReadAll(io.LimitReader(source, events.MaxInputBytes+1))
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, misuse("publish", "--input: read %s: %w", what, err)
	}
	return input, nil
}
