package main

import (
	"context"
	"fmt"
	"maps"
	"math"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go"
)

// processes: several workers share one consumer, and together drain its stream.
func processes() scenario {
	s := scenario{
		name: "processes", title: "Processes: workers that share one consumer drain a stream",
		columns: []column{
			throughput[0], throughput[1], throughput[2], throughput[3],
			{"peak MB, each", middle(peak)},
		},
		goals: []goal{{figure: "8 processes / the best", must: 0.8, aim: 0.95, of: eightOfBest}},
	}
	for _, n := range []int{1, 2, 4, 8} {
		c := contestant{
			name: processName(n), settings: "as in drain, each; from when a quarter of the jobs has ended to the last",
			jobs: 120_000, prepare: oprunLoaded, done: []string{countRuns, countRuns + " and attempt = 1"}, after: whenAllWork,
		}
		for range n {
			c.parts = append(c.parts, oprunShare)
		}
		s.contestants = append(s.contestants, c)
	}
	return s
}

func processName(n int) string {
	if n == 1 {
		return "1 process"
	}
	return strconv.Itoa(n) + " processes"
}

func eightOfBest(r round) float64 {
	best := 0.0
	for key, m := range r {
		if strings.HasPrefix(key, "processes/") {
			best = max(best, m.Rate)
		}
	}
	return figure(rate, "processes/"+processName(8))(r) / best
}

// A process tells the others how many jobs it has handled, so that all know when to stop.
const (
	handledSubject = "bench.handled"
	handledEvery   = 10 * time.Millisecond
	handledFigure  = "handled by part "
)

// oprunShare is a worker that does its share, and stops when there is nothing left for any.
func oprunShare(ctx context.Context, s *stage) (func() error, error) {
	var handled atomic.Int64
	ctx, stop := context.WithCancel(ctx)
	endless := *s
	endless.Jobs = math.MaxInt // it is not to stop by itself
	work, err := oprunWork(4, func(context.Context, *oprunJob) error {
		handled.Add(1)
		return nil
	})(ctx, &endless)
	if err != nil {
		stop()
		return nil, err
	}
	others, err := s.tally(ctx, &handled, stop)
	if err != nil {
		stop()
		return nil, err
	}
	return func() error {
		defer others.Close()
		err := work()
		s.figures[handledFigure+strconv.Itoa(s.Part)] = float64(handled.Load())
		return err
	}, nil
}

// tally calls done when all processes together have handled all jobs.
func (s *stage) tally(ctx context.Context, own *atomic.Int64, done func()) (*nats.Conn, error) {
	conn, err := nats.Connect(s.NATS)
	if err != nil {
		return nil, err
	}
	counts := map[string]int{} // of the subscription's goroutine alone
	if _, err := conn.Subscribe(handledSubject+".*", func(msg *nats.Msg) {
		n, err := strconv.Atoi(string(msg.Data))
		if err != nil {
			return
		}
		counts[msg.Subject] = n
		total := 0
		for n := range maps.Values(counts) {
			total += n
		}
		if total >= s.Jobs {
			done()
		}
	}); err != nil {
		conn.Close()
		return nil, err
	}
	go func() {
		tick := time.NewTicker(handledEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				_ = conn.Publish(handledSubject+"."+strconv.Itoa(s.Part), []byte(strconv.FormatInt(own.Load(), 10))) // said again and again
			case <-ctx.Done():
				return
			}
		}
	}()
	return conn, conn.Flush()
}

// whenAllWork takes the rate without the first quarter of the jobs: until then processes still open their connections, of
// which each has up to a dozen. All handlers together must have run once for each job.
func whenAllWork(ctx context.Context, s stage, m *measurement) error {
	handled := 0
	for name, n := range m.Figures {
		if strings.HasPrefix(name, handledFigure) {
			handled += int(n)
		}
	}
	if handled != s.Jobs {
		return fmt.Errorf("of %d jobs %d handlers ran", s.Jobs, handled)
	}
	conn, err := pgx.Connect(ctx, s.Database)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	const rest = `select count(*) / extract(epoch from max(completed_at) - min(completed_at))::float8
from (select completed_at from oprun.operation_runs order by completed_at offset $1) r`
	return conn.QueryRow(ctx, rest, s.Jobs/4).Scan(&m.Rate)
}
