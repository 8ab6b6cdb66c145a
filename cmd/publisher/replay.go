package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/alecthomas/kong"
	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"

	"oprun.example/internal/proc"
	"oprun.example/internal/replay"
	"oprun.example/pkg/events"
	"oprun.example/pkg/oprun"
)

type replayCommand struct {
	File     string `arg:"" optional:"" placeholder:"FILE" help:"The record, plain or compressed; - is stdin. Without one, --stream NAME says which stream to replay."`
	Into     string `env:"OPRUN_STREAM" default:"${stream}" placeholder:"NAME" help:"The stream that takes the messages. Default: ${default}."`
	Consumer string `env:"OPRUN_CONSUMER" default:"${consumer}" placeholder:"NAME" help:"The consumer whose workers handle them. Default: ${default}."`
	picks
	AsNew    bool          `help:"Ask for each recorded request anew. Default: the same occurrences, which do not happen twice."`
	ReplayID uuid.UUID     `placeholder:"ID" help:"Go on with the --as-new replay of this id: what it has asked for it does not ask for again."`
	SkipOld  bool          `help:"Pass over what is older than the ledger's memory, where else nothing is published."`
	DryRun   bool          `help:"Publish nothing: ask the ledger what would become of each message."`
	Rate     float64       `placeholder:"N" help:"At most N messages a second. Default: as fast as it goes."`
	Speed    float64       `placeholder:"FACTOR" help:"Keep the recorded gaps, divided by this: 1 as it was, 10 ten times as fast. Default: no gaps."`
	NoWait   bool          `help:"Do not wait for what becomes of the messages."`
	Timeout  time.Duration `default:"10m" placeholder:"DURATION" help:"How long to wait for that, from the last publication on; 0: as long as it takes. Default: ${default}."`
}

// Help is the longer text of --help.
func (*replayCommand) Help() string {
	return `Examples:

	publisher replay recorded.ndjson.zst --dry-run

	publisher replay recorded.ndjson.zst

	publisher replay --stream JOBS --since 1h --as-new

The messages are published again with their bodies and headers. They are the same occurrences: a ledger that has carried them out does nothing, and the report says so, with 0 new effects. With --as-new they are new requests; messages of one request, or of one run, are one new request. Its runs say in their context, as replayed_from, where the message was recorded.

The ledger is asked, so DATABASE_URL is needed; rights to read it are enough. Messages that are older than what it keeps, of tenants that it does not know, or of runs that it does not have are not published.

The exit code is 0 when everything came to its end, 4 when some messages were not published, 5 when --timeout has passed, and 1 when it stopped before its end; then it says where, and what had been published.`
}

// Run replays, and shows what became of the messages.
func (c *replayCommand) Run(ctx context.Context, line *kong.Context, a *app) error {
	fromStream := proc.OnCommandLine(line, "stream")
	if err := errors.Join(c.check(fromStream), c.validate(), a.validateSubjects()); err != nil {
		return misuse("replay", "%w", err)
	}
	ledger, closeLedger, err := a.ledger(ctx)
	if err != nil {
		return err
	}
	defer closeLedger()
	if c.DryRun && !fromStream {
		return c.replay(ctx, a, nil, ledger)
	}
	return a.withJetStream(ctx, func(ctx context.Context, js jetstream.JetStream) error { return c.replay(ctx, a, js, ledger) })
}

func (c *replayCommand) check(fromStream bool) error {
	switch {
	case c.File == "" && !fromStream:
		return errors.New("say what to replay: a FILE, - for stdin, or --stream NAME")
	case c.File != "" && fromStream:
		return errors.New("FILE and --stream exclude each other; --into names the stream that takes the messages")
	case c.ReplayID != uuid.Nil && (!c.AsNew || c.ReplayID.Version() != 7):
		return errors.New("--replay-id goes on with a replay --as-new, and is what that one said")
	case c.SkipOld && c.AsNew:
		return errors.New("--skip-old is for the same occurrences; --as-new takes messages however old")
	case c.Rate < 0 || c.Speed < 0 || c.Timeout < 0:
		return errors.New("--rate, --speed, --timeout: write a number above 0")
	}
	return nil
}

func (c *replayCommand) replay(ctx context.Context, a *app, js jetstream.JetStream, ledger *oprun.Ledger) error {
	config := replay.Config{
		Filter: c.filter(a.subjects()), Stream: c.Into, Consumer: c.Consumer, AsNew: c.AsNew, ID: c.ReplayID,
		SkipOld: c.SkipOld, DryRun: c.DryRun, NoWait: c.NoWait, Timeout: c.Timeout, Rate: c.Rate, Speed: c.Speed,
	}
	source, err := c.source(ctx, a, js, config.Filter)
	if err != nil {
		return err
	}
	if config.ID == uuid.Nil {
		if config.ID, err = replay.NewID(); err != nil {
			return err
		}
	}
	if c.AsNew && !c.DryRun {
		a.log.Info("replaying as new requests", "replay_id", config.ID)
	}
	progress := newProgress(a)
	config.Progress = func(p replay.Progress) {
		progress.show(replayed(p), "judged", p.Judged, "published", p.Published, "waiting", p.Waiting)
	}
	report, err := replay.Run(ctx, js, ledger, source, config)
	progress.clear()
	if err != nil {
		return c.explain(ctx, a, err)
	}
	if err := a.printReplay(report); err != nil {
		return err
	}
	return c.ended(report)
}

// source opens what is replayed. A file is read twice, and so is a stream; stdin cannot be.
func (c *replayCommand) source(ctx context.Context, a *app, js jetstream.JetStream, filter events.Filter) (replay.Source, error) {
	switch c.File {
	case "":
		return replay.Source{Messages: events.Read(ctx, js, a.Stream, filter.Narrowed())}, nil
	case "-":
		return replay.Source{Messages: events.Records(proc.Interruptible(ctx, a.in)), Lines: true, Once: true}, nil
	}
	info, err := os.Stat(c.File)
	if err != nil {
		return replay.Source{}, misuse("replay", "%w", err)
	}
	return replay.Source{Messages: recordIn(c.File), Lines: true, Once: !info.Mode().IsRegular()}, nil
}

// recordIn are the messages of a file, which is opened at each reading.
func recordIn(path string) func(yield func(events.Message, error) bool) {
	return func(yield func(events.Message, error) bool) {
		file, err := os.Open(path)
		if err != nil {
			yield(events.Message{}, err)
			return
		}
		defer file.Close()
		for m, err := range events.Records(file) {
			if !yield(m, err) {
				return
			}
		}
	}
}

// explain gives the error of a replay its exit code, and says how to go on.
func (c *replayCommand) explain(ctx context.Context, a *app, err error) error {
	again := "type the same again: what has run does not run again"
	stopped, begun := errors.AsType[*replay.StoppedError](err)
	if c.AsNew && begun && stopped.Published+stopped.Unknown > 0 {
		again = "type the same again, with --replay-id " + stopped.ID.String() + ": what it has asked for it does not ask for again"
	}
	if errors.Is(err, events.ErrNotAllowed) {
		known := explainPublish(err)
		known.Hint += "; then " + again
		return known
	}
	if ctx.Err() != nil {
		if begun {
			a.log.Warn("replay stopped", "published", stopped.Published, "unknown", stopped.Unknown, "to_go_on", again)
		}
		return err
	}
	if _, old := errors.AsType[*replay.OldError](err); old {
		return &proc.Error{Code: proc.Failed, Err: err, Hint: "type: --skip-old to pass over them, or --as-new to have them run again"}
	}
	if _, bad := errors.AsType[*events.RecordError](err); bad {
		return &proc.Error{Code: proc.Usage, Err: err, Hint: "mend the record, or record again: publisher record --help"}
	}
	switch {
	case errors.Is(err, events.ErrStreamFull):
		return &proc.Error{Code: proc.Failed, Err: err, Hint: "type: consumer topology apply --max-bytes <more>; then " + again}
	case errors.Is(err, events.ErrNoStream):
		return &proc.Error{Code: proc.Unavailable, Err: err, Hint: "type: consumer topology apply --max-bytes <size>; then " + again}
	case errors.Is(err, jetstream.ErrConsumerNotFound):
		return &proc.Error{Code: proc.Unavailable, Err: err, Hint: "type: --consumer <name>, that of workers with --types, or consumer topology apply --max-bytes <size>"}
	case errors.Is(err, events.ErrNoAck):
		return &proc.Error{Code: proc.Unavailable, Err: err, Hint: again}
	case oprun.IsSchema(err), oprun.Unavailable(err):
		return &proc.Error{Code: proc.Unavailable, Err: err, Hint: "type: consumer migrate status; then " + again}
	}
	return explainStream(ctx, err)
}

// ended is the error of a replay that left something to say.
func (c *replayCommand) ended(r replay.Report) error {
	switch {
	case r.Unsettled > 0:
		return &proc.Error{
			Code: proc.TimedOut, Hint: "type: consumer audit, and consumer runs list --status running, to see what they wait for",
			Err: fmt.Errorf("after %s %d of %d published messages have not come to their end", c.Timeout, r.Unsettled, r.Published),
		}
	case r.Behind:
		return &proc.Error{
			Code: proc.TimedOut, Hint: "type: consumer run, or see why those that run do not: consumer audit",
			Err: fmt.Errorf("after %s consumer %s has not passed the %d published messages", c.Timeout, c.Consumer, r.Published),
		}
	case r.Refused > 0:
		return &proc.Error{
			Code: proc.Partial, Hint: "the table says why: older_than_retention, unknown_run and scope_unknown are about this ledger",
			Err: fmt.Errorf("%d of %d messages were not published", r.Refused, r.Messages),
		}
	}
	return nil
}
