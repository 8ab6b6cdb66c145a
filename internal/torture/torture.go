package torture

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// Config is how hard the torture is, and where it speaks.
type Config struct {
	Seed      uint64
	Jobs      int           // requests of the clients
	Faults    int           // of the nemesis
	Gap       time.Duration // between two faults, on average; default 2.5s
	Consumers int           // worker processes; default 3
	Dir       string        // keeps history and logs; empty: a temporary folder, kept when something is wrong

	Out      io.Writer                  // the report
	Progress func(string)               // a line that replaces the one before; nil: none
	Self     func(part string) []string // the command line that runs a part in a process of its own

	// In tests of it.
	env      []string                              // of the consumers, beside our own
	faults   []fault                               // instead of all
	patience time.Duration                         // how long the drain may go without any progress; default a minute
	inspect  func(context.Context, *stage, *audit) // looks on after the audit
}

func (c Config) withDefaults() Config {
	if c.Gap <= 0 {
		c.Gap = 2500 * time.Millisecond
	}
	if c.Consumers <= 0 {
		c.Consumers = 3
	}
	if c.patience <= 0 {
		c.patience = time.Minute
	}
	if len(c.faults) == 0 {
		c.faults = faults
	}
	if c.Progress == nil {
		c.Progress = func(string) {}
	}
	return c
}

// length is over how long the jobs are spread: over all the faults.
func (c Config) length() time.Duration {
	const quickest = time.Second // for each 500 jobs
	return max(time.Duration(c.Faults)*c.Gap, time.Duration(c.Jobs)*quickest/500)
}

// ErrViolated says that an invariant did not hold. The report has said which.
var ErrViolated = errors.New("the promise was broken")

// Run tortures until jobs and faults are spent, lets the system come to rest, and audits it. It returns nil when
// every invariant held, and an error that is ErrViolated when one did not.
func Run(ctx context.Context, config Config) (err error) {
	config = config.withDefaults()
	dir, err := workDir(config.Dir)
	if err != nil {
		return err
	}
	defer func() {
		if err == nil && config.Dir == "" {
			err = os.RemoveAll(dir)
		} else if err != nil {
			fmt.Fprintf(config.Out, "history and logs: %s\n", dir)
		}
	}()
	s, err := setStage(ctx, config, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	return s.play(ctx, config)
}

func workDir(dir string) (string, error) {
	if dir == "" {
		return os.MkdirTemp("", "oprun-torture-")
	}
	return dir, os.MkdirAll(dir, 0o700)
}

// play is the torture itself.
func (s *stage) play(ctx context.Context, config Config) error {
	consumers := &consumers{line: config.Self(WorkerPart), env: s.env, log: s.log}
	consumers.env = append(consumers.env, config.env...)
	defer consumers.stop()
	for range config.Consumers {
		if err := consumers.start(ctx); err != nil {
			return err
		}
	}
	start := time.Now()
	n := newNemesis(s, consumers, config)
	stopShowing := s.show(ctx, config, n)
	clients := make(chan struct{})
	go func() {
		defer close(clients)
		s.runClients(ctx, config)
	}()
	err := n.run(ctx)
	<-clients
	stopShowing()
	if err = errors.Join(err, context.Cause(ctx)); err != nil {
		return err
	}
	busy := time.Since(start)
	rest := s.drain(ctx, config)
	took := time.Since(start)
	consumers.stop()
	a, err := s.audit(ctx, consumers.told())
	if err != nil {
		return err
	}
	a.drained(rest)
	if config.inspect != nil {
		config.inspect(ctx, s, a)
	}
	return a.report(config, n, consumers, busy, took)
}

// show tells how far the torture is, now and then.
func (s *stage) show(ctx context.Context, config Config, n *nemesis) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for wait(ctx, 500*time.Millisecond) {
			config.Progress(fmt.Sprintf("%d of %d jobs asked for, %d of %d faults", s.history.count(), config.Jobs, n.count(), config.Faults))
		}
	}()
	return func() {
		cancel()
		<-done
	}
}
