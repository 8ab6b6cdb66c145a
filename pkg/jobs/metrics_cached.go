package jobs

import (
	"context"
	"sync"
	"time"
)

// What a figure that has to be asked for may cost: keepFor is how long an answer is kept, at least; one that took long is
// kept keepTimes as long, up to keepMost, so that asking takes a hundredth of the time; askPatience is how long one may take.
const (
	keepFor     = 10 * time.Second
	keepTimes   = 100
	keepMost    = time.Minute
	askPatience = 3 * time.Second
)

// cached is an answer that is asked for when somebody looks and the last one is old. Any number may look at once: one asks,
// and the others wait for its answer.
type cached[T any] struct {
	ask func(ctx context.Context) T

	mu     sync.Mutex
	answer T
	until  time.Time
}

func (c *cached[T]) get() T {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Now().Before(c.until) {
		return c.answer
	}
	ctx, cancel := context.WithTimeout(context.Background(), askPatience) // whoever looks next will want it, too
	defer cancel()
	began := time.Now()
	c.answer = c.ask(ctx)
	keep := keepFor
	if ctx.Err() == nil { // else there was none in time: what is away may be back soon
		keep = min(max(keepFor, keepTimes*time.Since(began)), keepMost)
	}
	c.until = time.Now().Add(keep)
	return c.answer
}
