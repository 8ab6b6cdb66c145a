package demo

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// consumers are the demo's worker processes.
type consumers struct {
	self func() []string
	env  []string
	all  []*consumer
}

// consumer is one process, and the last counters it told.
type consumer struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when its output has ended

	mu       sync.Mutex
	verdicts map[string]int
}

func startTwo(ctx context.Context, self func() []string, env []string) (*consumers, error) {
	c := &consumers{self: self, env: env}
	for range 2 {
		if err := c.start(ctx); err != nil {
			c.stop()
			return nil, err
		}
	}
	return c, nil
}

// start runs one more consumer. It outlives the context: stop ends it.
func (c *consumers) start(ctx context.Context) error {
	line := c.self()
	cmd := exec.CommandContext(context.WithoutCancel(ctx), line[0], line[1:]...)
	cmd.Env = append(os.Environ(), c.env...)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a Ctrl-C is for the demo, which then stops it
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start a consumer: %w", err)
	}
	one := &consumer{cmd: cmd, done: make(chan struct{})}
	c.all = append(c.all, one)
	go func() {
		defer close(one.done)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			one.hear(lines.Bytes())
		}
	}()
	return nil
}

func (c *consumer) hear(line []byte) {
	var verdicts map[string]int
	if json.Unmarshal(line, &verdicts) != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.verdicts = verdicts
}

// killOneAndStartAnother is the crash: SIGKILL leaves the process no last word.
func (c *consumers) killOneAndStartAnother(ctx context.Context) error {
	victim := c.all[0]
	if err := victim.cmd.Process.Kill(); err != nil {
		return fmt.Errorf("kill a consumer: %w", err)
	}
	return c.start(ctx)
}

// stop asks every consumer to drain, and waits for it. A second call does nothing.
func (c *consumers) stop() {
	for _, one := range c.all {
		_ = one.cmd.Process.Signal(syscall.SIGTERM)
	}
	for _, one := range c.all {
		<-one.done
		_ = one.cmd.Wait()
	}
}

// verdicts adds up what all consumers told.
func (c *consumers) verdicts() map[string]int {
	sum := map[string]int{}
	for _, one := range c.all {
		one.mu.Lock()
		for verdict, n := range one.verdicts {
			sum[verdict] += n
		}
		one.mu.Unlock()
	}
	return sum
}

// tell writes this process's deliveries by verdict, ten times a second and once at the end.
func tell(registry *prometheus.Registry, out *json.Encoder) (stop func()) {
	stopped := make(chan struct{})
	var told sync.WaitGroup
	told.Go(func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for open := true; open; {
			select {
			case <-tick.C:
			case <-stopped:
				open = false
			}
			counts, err := deliveries(registry)
			if errors.Join(err, out.Encode(counts)) != nil {
				return
			}
		}
	})
	return func() {
		close(stopped)
		told.Wait()
	}
}

// deliveries reads the worker's counters, summed over the job types.
func deliveries(registry *prometheus.Registry) (map[string]int, error) {
	families, err := registry.Gather()
	if err != nil {
		return nil, err
	}
	counts := map[string]int{}
	for _, family := range families {
		if family.GetName() != "oprun_deliveries_total" {
			continue
		}
		for _, metric := range family.GetMetric() {
			for _, label := range metric.GetLabel() {
				if label.GetName() == "verdict" {
					counts[label.GetValue()] += int(metric.GetCounter().GetValue())
				}
			}
		}
	}
	return counts, nil
}
