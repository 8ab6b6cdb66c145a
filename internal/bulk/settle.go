package bulk

import (
	"context"
	"errors"
	"time"

	"oprun.example/pkg/events"
)

// settle waits for the oldest batch in flight, and moves on to its end.
func (p *publication) settle(ctx context.Context) error {
	f := p.flying[0]
	counts, err := p.await(ctx, f)
	if err != nil {
		return err
	}
	p.flying, p.extra = p.flying[1:], Counts{}
	p.state.Counts.add(counts)
	p.state.reach(f.end)
	p.state.RefusedEnd = f.refusedEnd
	p.upTo = f.end.line
	if time.Since(p.saved) >= saveEvery {
		p.saved = time.Now()
		if err := p.save(); err != nil {
			return err
		}
	}
	p.Progress(p.report())
	return nil
}

// await waits for the answers to a batch. When it fails, the report goes as far as the answers do.
func (p *publication) await(ctx context.Context, f *flight) (Counts, error) {
	counts := f.read
	if f.pending == nil {
		return counts, nil
	}
	acks, err := f.pending.Wait(ctx)
	if why := f.pending.Refused(); why != nil {
		p.Log.Debug("a batch was not taken as one, and is sent one by one", "first_line", f.numbers[0], "error", why)
	}
	for i, ack := range acks {
		switch {
		case ack.Seq == 0 && err != nil:
			p.upTo = max(p.upTo, f.numbers[i]-1)
			p.extra = Counts{Lines: i, Accepted: counts.Accepted, Suppressed: counts.Suppressed}
			return counts, err
		case ack.Duplicate:
			counts.Suppressed++
		default:
			counts.Accepted++
		}
	}
	return counts, err
}

func (c *Counts) add(more Counts) {
	c.Lines += more.Lines
	c.Accepted += more.Accepted
	c.Suppressed += more.Suppressed
	c.Refused += more.Refused
}

func (p *publication) settleAll(ctx context.Context) error {
	for len(p.flying) > 0 {
		if err := p.settle(ctx); err != nil {
			return err
		}
	}
	return nil
}

// finish settles all, and notes that the source was published whole.
func (p *publication) finish(ctx context.Context) error {
	if err := p.settleAll(ctx); err != nil {
		return err
	}
	now := time.Now()
	p.state.Finished = &now
	return nil
}

// stop waits for what is on its way, if its acknowledgements come soon, and returns why the context has ended.
func (p *publication) stop(ctx context.Context) error {
	cause := context.Cause(ctx)
	if errors.Is(cause, events.ErrNotAllowed) { // no answer will come
		return cause
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastPatience)
	defer cancel()
	return errors.Join(cause, p.settleAll(last))
}

// save brings the resume file up to date.
func (p *publication) save() error {
	if err := p.refused.flush(); err != nil || p.Resume == "" {
		return err
	}
	return p.state.save(p.Resume)
}

func (p *publication) report() Report {
	r := Report{
		Batch: p.state.Batch, Finished: p.state.Finished != nil, Counts: p.state.Counts, UpTo: p.upTo, Resumed: p.resumed,
		Seconds: time.Since(p.started).Seconds(), Offset: p.state.Offset, Size: p.from.size,
	}
	r.add(p.extra)
	if r.Refused > 0 {
		r.RefusedFile = p.Refused
	}
	r.PerSecond = float64(r.Lines-p.before) / max(r.Seconds, 1e-3)
	return r
}
