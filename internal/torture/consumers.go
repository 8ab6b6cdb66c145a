package torture

import (
	"context"
	"encoding/json"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"syscall"
	"time"
)

// consumers are the worker processes. One that ends unasked is replaced, as any supervisor would.
type consumers struct {
	line []string
	env  []string
	log  io.Writer

	mu       sync.Mutex
	all      []*consumer
	closing  bool
	unasked  int // ended by themselves
	reviving sync.WaitGroup
}

// consumer is one process, and the last counters it told.
type consumer struct {
	*process
	asked bool // to end

	mu   sync.Mutex
	told map[string]int
}

// restartPause is how long a supervisor waits before it starts a process that has ended again.
const restartPause = 300 * time.Millisecond

// start runs one more consumer.
func (c *consumers) start(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing {
		return nil
	}
	one := &consumer{}
	p, err := launch(ctx, c.line, c.env, c.log, one.hear)
	if err != nil {
		return err
	}
	one.process = p
	c.all = append(c.all, one)
	c.reviving.Go(func() { c.revive(ctx, one) })
	return nil
}

// revive replaces a consumer that ended unasked.
func (c *consumers) revive(ctx context.Context, one *consumer) {
	<-one.done
	c.mu.Lock()
	again := !one.asked && !c.closing
	if again {
		c.unasked++
	}
	c.mu.Unlock()
	if again && wait(ctx, restartPause) {
		_ = c.start(ctx) // a program that ran a moment ago; the drain would tell
	}
}

func (c *consumer) hear(line []byte) {
	var told map[string]int
	if json.Unmarshal(line, &told) != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.told = told
}

// pick takes a running consumer. One that is picked in order to end it is not picked again, nor replaced.
func (c *consumers) pick(rng *rand.Rand, end bool) *consumer {
	c.mu.Lock()
	defer c.mu.Unlock()
	var live []*consumer
	for _, one := range c.all {
		if !one.asked && one.running() {
			live = append(live, one)
		}
	}
	if len(live) == 0 {
		return nil
	}
	victim := live[rng.IntN(len(live))]
	victim.asked = victim.asked || end
	return victim
}

// stop asks every consumer to drain, and waits for it. A second call does nothing.
func (c *consumers) stop() {
	c.mu.Lock()
	c.closing = true
	all := slices.Clone(c.all)
	c.mu.Unlock()
	for _, one := range all {
		one.signal(syscall.SIGCONT)
		one.signal(syscall.SIGTERM)
	}
	for _, one := range all {
		<-one.done
	}
	c.reviving.Wait()
}

// told adds up what all consumers told, the dead ones included.
func (c *consumers) told() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	sum := map[string]int{}
	for _, one := range c.all {
		one.mu.Lock()
		for name, n := range one.told {
			sum[name] += n
		}
		one.mu.Unlock()
	}
	return sum
}
