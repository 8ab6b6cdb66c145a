package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"

	"oprun.example/internal/load"
	"oprun.example/internal/proc"
	"oprun.example/pkg/events"
	"oprun.example/pkg/oprun"
)

type loadCommand struct {
	Types      []string      `required:"" placeholder:"TYPE" help:"Job types, as the catalogue names them."`
	Tenants    []string      `placeholder:"ID|N" help:"Whose jobs they are: tenants by external id, or how many of the ledger's active ones."`
	Workspace  uuid.UUID     `placeholder:"ID" help:"Whose those jobs are that belong to no tenant."`
	Count      int           `default:"1000" placeholder:"N" help:"Messages to send at most. Default: ${default}."`
	For        time.Duration `default:"1m" placeholder:"DURATION" help:"How long to send at most. Default: ${default}."`
	Rate       float64       `default:"100" placeholder:"N" help:"Messages a second; 0: as fast as the stream takes them. Default: ${default}."`
	Duplicates int           `placeholder:"PERCENT" help:"How many of 100 messages repeat others: the same message, the same request in another message, or another request of the same identity. Default: 0."`
	Sizes      []int         `placeholder:"BYTES" help:"Sizes of inputs, which a field padding fills up. Default: as they are."`
	Seed       uint64        `default:"1" placeholder:"N" help:"The same seed makes the same choices. Default: ${default}."`
	Input      string        `default:"{}" placeholder:"JSON" help:"What inputs have; {{n}} is the job's number, {{uuid}} a UUID of its own. What it lacks of the identity is made up. Default: ${default}."`
	Wait       bool          `help:"Wait until every request has an end in the ledger. Needs DATABASE_URL."`
	Timeout    time.Duration `default:"1m" placeholder:"DURATION" help:"How long --wait waits at most. Default: ${default}."`
}

// Help is the longer text of --help.
func (*loadCommand) Help() string {
	return `An example, for one tenant that the ledger has:

	publisher load --types assignments.fetch --tenants 1 --rate 500 --for 10s --count 5000 --duplicates 10 --wait

It sends to the stream that workers read: the jobs run. It ends with --count messages or after --for, whichever comes first. With DATABASE_URL it asks the ledger what became of exactly these requests.

The exit code is 4 when jobs ended as dead letters, or runs otherwise than succeeded, and 5 when --timeout has passed before all had an end.`
}

// Run sends the load and shows what became of it.
func (c *loadCommand) Run(ctx context.Context, a *app) error {
	if err := errors.Join(a.validateSubjects(), c.validate(a)); err != nil {
		return misuse("load", "%w", err)
	}
	declared, err := loadCatalog("catalog", a.Catalog)
	if err != nil {
		return err
	}
	ctx, stop, err := a.trace(ctx)
	if err != nil {
		return err
	}
	defer stop()
	config := load.Config{
		Catalog: declared, Types: c.Types, Workspace: c.Workspace, Count: c.Count, For: c.For, Rate: c.Rate, Duplicates: c.Duplicates,
		Sizes: c.Sizes, Seed: c.Seed, Template: c.Input, Initiator: "load",
	}
	if c.asksLedger(a) {
		ledger, closeLedger, err := a.ledger(ctx)
		if err != nil {
			return err
		}
		defer closeLedger()
		config.Ledger = ledger
	}
	if config.Tenants, err = c.tenants(ctx, config.Ledger); err != nil {
		return err
	}
	if c.Wait {
		config.Wait = c.Timeout
	}
	return a.withJetStream(ctx, func(ctx context.Context, js jetstream.JetStream) error { return c.load(ctx, a, js, config) })
}

func (c *loadCommand) load(ctx context.Context, a *app, js jetstream.JetStream, config load.Config) error {
	progress := newProgress(a)
	config.JS, config.Publisher = js, events.NewPublisher(js, events.PublisherConfig{Subjects: a.subjects(), TracerProvider: a.tracer})
	config.Progress = func(sent int) {
		progress.show(fmt.Sprintf("%d of %d messages", sent, config.Count), "messages", sent)
	}
	report, err := load.Run(ctx, config)
	progress.clear()
	if wrong, ok := errors.AsType[*load.InputError](err); ok {
		return &proc.Error{Code: proc.Usage, Err: wrong, Hint: `give it one with --input, as in --input '{"name": "{{n}}"}'`}
	}
	if report.Load == uuid.Nil {
		return misuse("load", "%w", err)
	}
	if err != nil {
		return errors.Join(a.printLoad(report), explainLoad(err, report.Messages))
	}
	return errors.Join(a.printLoad(report), c.judge(report))
}

// explainLoad says after how many messages a load stopped, and what would mend it: at the broker, or at the ledger that was asked.
func explainLoad(err error, messages int) *proc.Error {
	known := explainPublish(err)
	if known.Code == proc.Failed && known.Hint == "" && oprun.Unavailable(err) {
		known.Code, known.Hint = proc.Unavailable, "type: consumer migrate status, to see whether Postgres answers"
	}
	known.Err = fmt.Errorf("stopped after %d messages: %w", messages, known.Err)
	return known
}

func (c *loadCommand) validate(a *app) error {
	switch {
	case c.Timeout <= 0:
		return fmt.Errorf("--timeout %s: write a duration above 0, as in 90s", c.Timeout)
	case len(c.Tenants) == 1 && howMany(c.Tenants[0]) > 0 && !c.asksLedger(a):
		return fmt.Errorf("--tenants %s: how many, of the ledger's: export DATABASE_URL=<its address>, or name them", c.Tenants[0])
	}
	return nil
}

// asksLedger: the PG* variables alone may be about any database.
func (c *loadCommand) asksLedger(a *app) bool { return c.Wait || a.DatabaseURL != "" }

func howMany(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0
	}
	return n
}

// tenants are those that are named, or the first of the ledger's.
func (c *loadCommand) tenants(ctx context.Context, ledger *oprun.Ledger) (ids []uuid.UUID, err error) {
	if len(c.Tenants) == 1 && howMany(c.Tenants[0]) > 0 {
		return firstTenants(ctx, ledger, howMany(c.Tenants[0]))
	}
	for _, text := range c.Tenants {
		id, err := uuid.Parse(text)
		if err != nil {
			return nil, misuse("load", "--tenants: %q is neither a tenant's external id nor how many", text)
		}
		ids = append(ids, id)
	}
	return ids, nil
}

func firstTenants(ctx context.Context, ledger *oprun.Ledger, n int) (ids []uuid.UUID, err error) {
	all, err := ledger.Tenants(ctx)
	if err != nil {
		return nil, explainDispatch(ctx, err)
	}
	for _, tenant := range all {
		if tenant.Status == "active" && len(ids) < n {
			ids = append(ids, tenant.ExternalID)
		}
	}
	if len(ids) < n {
		return nil, &proc.Error{
			Code: proc.Failed, Err: fmt.Errorf("--tenants %d: of the ledger's tenants %d are active", n, len(ids)), Hint: "type: consumer tenants add, or consumer seed",
		}
	}
	return ids, nil
}

// judge gives a load that was sent whole its exit code.
func (c *loadCommand) judge(r load.Report) error {
	v := r.Verdicts
	switch {
	case v == nil:
		return nil
	case v.Doubled > 0:
		return &proc.Error{Code: proc.Failed, Err: fmt.Errorf("%d runs succeeded more than once", v.Doubled), Hint: "type: consumer audit"}
	case v.Failures() > 0:
		return &proc.Error{
			Code: proc.Partial, Err: fmt.Errorf("%d of %d requests ended otherwise than well", v.Failures(), r.Requests),
			Hint: "type: consumer runs list --outcome failed, or consumer deadletters list",
		}
	case c.Wait && v.Waiting() > 0:
		return &proc.Error{
			Code: proc.TimedOut, Err: fmt.Errorf("after %s %d of %d requests have no end yet", c.Timeout, v.Waiting(), r.Requests),
			Hint: "type: consumer run, or see why those that run do not: consumer audit",
		}
	}
	return nil
}
