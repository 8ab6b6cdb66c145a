package bulk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/google/uuid"

	"oprun.example/pkg/events"
)

const (
	inFlight      = 4       // batches that wait for their acknowledgement
	maxBatchBytes = 4 << 20 // of inputs in one batch; the server drops what is far more
	maxBatchLines = 10_000  // read for one batch, when most are refused
	saveEvery     = time.Second / 5
	lastPatience  = 10 * time.Second // for what is in flight when the caller has no more
)

// Publish publishes the lines of a source, in their order. It returns when the stream has all of them, but for those that were
// refused; or at the first thing that keeps a good line from being stored. The report then tells up to which line everything is there, and a
// second run, with the same resume file or batch, goes on without asking for anything twice.
//
// When the context ends, it takes no more lines, waits for what is on its way, and returns the context's cause. Other errors to test
// for are those of [events.Publisher.Publish], and a [*ChoiceError] before anything was published.
func Publish(ctx context.Context, config Config) (report Report, err error) {
	config = config.withDefaults()
	if err := config.keepsApart(); err != nil {
		return report, err
	}
	from, err := config.open()
	if err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, from.close()) }()
	s, err := config.begin(from)
	if err != nil {
		return report, err
	}
	p := &publication{Config: config, from: from, state: s, started: time.Now(), resumed: s.Line, before: s.Counts.Lines, upTo: s.Line}
	if s.Finished != nil {
		p.Log.Info("everything in this file was published, and it has not changed since: --again publishes it all as new jobs",
			"from", p.From, "batch", s.Batch.String(), "finished", *s.Finished)
		return p.report(), nil
	}
	if p.refused, err = openRefusals(config.Refused, s.RefusedEnd); err != nil {
		return report, err
	}
	p.Log.Info("publishing", "from", p.From, "batch", s.Batch.String(), "after_line", s.Line)
	if err = p.run(ctx); err != nil && ctx.Err() != nil {
		err = p.stop(ctx)
	}
	return p.report(), errors.Join(err, p.save(), p.refused.close())
}

// publication is one run of a batch.
type publication struct {
	Config
	from    *source
	state   *state // up to the last batch that is whole
	refused *refusals

	flying []*flight
	upTo   int
	extra  Counts // of a batch that failed, what is there nevertheless

	started, saved time.Time
	resumed        int // after which line this run began
	before         int // how many lines earlier runs had
}

// flight is some lines on their way, in one atomic batch.
type flight struct {
	pending    *events.PendingBatch // nil: all were refused
	numbers    []int                // of the lines of its requests
	read       Counts
	end        place
	refusedEnd int64
}

// run reads and sends, and settles what is in flight when there is enough of it. One goroutine does all: while it prepares a
// batch the server stores those before.
func (p *publication) run(ctx context.Context) error {
	for {
		requests, f, err := p.prepare(ctx)
		if err == nil || errors.Is(err, io.EOF) {
			if sendErr := p.send(ctx, requests, f); sendErr != nil {
				return sendErr
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return p.finish(ctx)
		case err != nil:
			return errors.Join(fmt.Errorf("after line %d: %w", p.from.number, err), p.settleAll(ctx))
		}
		if p.From == Stdin && p.from.drained() { // the next line may take long
			if err := p.settleAll(ctx); err != nil {
				return err
			}
		}
	}
}

// prepare reads the lines of the next batch. Its error is about the source; what was read before is good.
func (p *publication) prepare(ctx context.Context) (requests []events.Request, f *flight, err error) {
	f = &flight{}
	size, first := 0, p.from.number
	for len(requests) < events.MaxBatch && size < maxBatchBytes && p.from.number-first < maxBatchLines {
		if err = ctx.Err(); err != nil {
			break
		}
		line, whole, readErr := p.from.next()
		if err = readErr; err != nil {
			break
		}
		if len(line) > 0 {
			request, refusedErr := p.request(line, whole)
			f.read.Lines++
			if refusedErr == nil {
				requests, f.numbers = append(requests, request), append(f.numbers, p.from.number)
				size += len(request.Input)
			} else if err = p.refuse(f, line, refusedErr); err != nil {
				break
			}
		}
		if p.From == Stdin && p.from.drained() {
			break
		}
	}
	f.end, f.refusedEnd = p.from.place(), p.refused.size
	return requests, f, err
}

// request reads one line.
func (p *publication) request(line []byte, whole bool) (r events.Request, err error) {
	if !whole {
		return r, fmt.Errorf("it has more than %d bytes", MaxLineBytes)
	}
	asked, err := parseLine(line, p.Defaults)
	if err != nil {
		return r, err
	}
	job, ok := p.Catalog.Jobs[asked.Type]
	switch {
	case asked.Type == "":
		return r, wrong("type", "it is missing, here and as --type")
	case !ok:
		return r, wrong("type", "the catalogue declares no such job type")
	case asked.Scope.ID == uuid.Nil:
		return r, wrong(job.ScopeKind.String(), "it is missing, here and as --%s", job.ScopeKind)
	case asked.Scope.Kind != job.ScopeKind:
		return r, wrong(asked.Scope.Kind.String(), "%s is a job of a %s", asked.Type, job.ScopeKind)
	}
	if asked.RequestID == "" && asked.RunID == uuid.Nil {
		asked.RequestID = RequestID(p.state.Batch, p.from.number, line)
	}
	return asked.Request(job)
}

func (p *publication) refuse(f *flight, line []byte, err error) error {
	f.read.Refused++
	return p.refused.add(refusalOf(p.from.number, bytes.ToValidUTF8(line, []byte("\uFFFD")), err))
}

// send sends a batch when there is room for it in flight.
func (p *publication) send(ctx context.Context, requests []events.Request, f *flight) (err error) {
	for len(p.flying) >= inFlight {
		if err := p.settle(ctx); err != nil {
			return err
		}
	}
	if len(requests) > 0 {
		if f.pending, err = p.Publisher.PublishBatch(ctx, requests); err != nil {
			return err
		}
	}
	p.flying = append(p.flying, f)
	return nil
}
