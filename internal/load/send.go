package load

import (
	"context"
	"fmt"
	"time"

	"oprun.example/pkg/events"
)

// inFlight is how many messages may wait for their acknowledgement.
const inFlight = 4000

// sending is a load on its way.
type sending struct {
	*plan
	stream  string
	seqs    []uint64 // where the stream has each message, by number; 0: it does not
	acks    latencies
	report  Report
	started time.Time
	told    time.Time
}

// flight is a message on its way.
type flight struct {
	slot
	pending *events.Pending
	due     time.Time
}

// send sends the messages of the plan at their times, from this goroutine, while another one takes the acknowledgements.
func (s *sending) send(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	flights := make(chan flight, inFlight) // filled and closed here
	failed := make(chan error, 1)          // of the other goroutine
	go func() {
		err := s.settle(ctx, flights)
		if err != nil {
			stop(err)
		}
		failed <- err
	}()
	err := s.sendAll(ctx, flights)
	close(flights)
	if settleErr := <-failed; settleErr != nil {
		return settleErr
	}
	return err
}

func (s *sending) sendAll(ctx context.Context, flights chan<- flight) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for number := 0; number < s.Count; number++ {
		due := time.Now()
		if s.Rate > 0 {
			due = s.started.Add(time.Duration(float64(number) / s.Rate * float64(time.Second)))
		}
		if due.Sub(s.started) >= s.For || time.Since(s.started) >= s.For {
			return nil
		}
		if err := until(ctx, timer, due); err != nil {
			return err
		}
		if err := s.one(ctx, s.slot(number), due, flights); err != nil {
			return err
		}
	}
	return nil
}

// until waits for a time that may be past.
func until(ctx context.Context, timer *time.Timer, due time.Time) error {
	if early := time.Until(due); early > 0 {
		timer.Reset(early)
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	return context.Cause(ctx)
}

// one sends one message. Latency counts from when it was due: a broker that stalls the sender is not to look fast.
func (s *sending) one(ctx context.Context, at slot, due time.Time, flights chan<- flight) error {
	request, err := s.request(at)
	if err != nil {
		return &InputError{s.kinds[at.kind].name, err}
	}
	s.report.Behind = max(s.report.Behind, time.Since(due))
	pending, err := s.Publisher.PublishAsync(ctx, request)
	if err != nil {
		return err
	}
	select {
	case flights <- flight{at, pending, due}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// settle takes the acknowledgements, in the order of sending.
func (s *sending) settle(ctx context.Context, flights <-chan flight) error {
	for f := range flights {
		ack, err := f.pending.Wait(ctx)
		if err != nil {
			return fmt.Errorf("message %d: %w", f.number, err)
		}
		s.acks.add(time.Since(f.due))
		s.stream = ack.Stream
		for len(s.seqs) <= f.number {
			s.seqs = append(s.seqs, 0)
		}
		s.seqs[f.number] = ack.Seq
		s.report.count(f.slot, ack.Duplicate)
		if now := time.Now(); s.Progress != nil && now.Sub(s.told) >= time.Second/10 {
			s.told = now
			s.Progress(s.report.Messages)
		}
	}
	return nil
}
