package main

import (
	"context"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
)

// The figures of how long jobs waited from the call that asked for them to the start of their handler, in milliseconds.
const (
	half       = "p50"
	almostAll  = "p99"
	warmFirst  = time.Second // jobs of the first second do not count: connections and caches are cold
	warmAtMost = 5           // but that is no more than one job in so many
)

// watch is what a worker sees of its jobs' waits.
type watch struct {
	waits histogram
	warm  int // jobs up to this one do not count
}

func (s *stage) watch() *watch {
	return &watch{warm: min(int(warmFirst.Seconds()*float64(s.Rate)), s.Jobs/warmAtMost)}
}

// starts notes that a job's handler starts.
func (w *watch) starts(p Payload) error {
	now := time.Now()
	sent, err := p.sent()
	if err == nil && p.N >= w.warm {
		w.waits.add(now.Sub(sent))
	}
	return err
}

func (w *watch) startsJSON(input []byte) error {
	var p Payload
	if err := json.Unmarshal(input, &p); err != nil {
		return err
	}
	return w.starts(p)
}

// around writes the figures when the work is done.
func (w *watch) around(s *stage, timed func() error) func() error {
	return func() error {
		err := timed()
		found := w.waits.take(0.5, 0.99)
		s.figures[half], s.figures[almostAll] = found[0], found[1]
		return err
	}
}

// watched is a worker whose handler only looks how long its job has waited.
func watched(worker func(*watch) part) part {
	return func(ctx context.Context, s *stage) (func() error, error) {
		w := s.watch()
		timed, err := worker(w)(ctx, s)
		if err != nil {
			return nil, err
		}
		return w.around(s, timed), nil
	}
}

func oprunWatched(w *watch) part {
	return oprunWork(4, func(_ context.Context, job *oprunJob) error { return w.starts(job.Args) })
}

func riverWatched(w *watch) part {
	return riverWork(riverConns, func(_ context.Context, _ *pgxpool.Pool, job *river.Job[riverArgs]) error {
		return w.starts(job.Args.Payload)
	})
}

func byHandWatched(w *watch) part { return byHandWork(w.startsJSON) }

func watermillWatched(w *watch) part { return watermillWork(watermillSubscriptions, w.startsJSON) }
