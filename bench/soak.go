package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"oprun.example/pkg/events"
)

// soakCommand measures for a long time.
type soakCommand struct {
	For   time.Duration `help:"How long (20m)." default:"20m"`
	Rate  int           `help:"Jobs/s to ask for (half of the most that go through)."`
	Write bool          `help:"Rewrite the figures in the documentation instead of printing them."`
}

// What a soak forgets, and when, so that its tables can be seen to keep their size within minutes: the worker's own
// ops.delete_expired_runs deletes what has ended, once a minute at most. A worker refuses a retention that is not longer
// than what the stream may deliver, so the stream is short, too.
const (
	soakMaxAge     = 30 * time.Second
	soakDuplicates = 10 * time.Second
	soakRetention  = 45 * time.Second
	soakDeletes    = "@every 20s"
	soakSamples    = 20 // at least
	soakLongest    = time.Minute
	soakSection    = "soak"
)

func (c *soakCommand) Run(ctx context.Context, to streams) error {
	if c.For < time.Minute || c.Rate < 0 {
		return wrongUsage("--for is at least 1m, and --rate no less than 0")
	}
	if c.Write {
		if err := findPlaces(root, []string{soakSection}); err != nil {
			return err
		}
	}
	return onServers(ctx, func(s *servers, machine machine) error {
		text, wrong, err := c.soak(ctx, s, to.err)
		if err != nil {
			return err
		}
		sections := []section{{soakSection, machine.String() + "\n" + text}}
		if c.Write && wrong == nil {
			return writeSections(root, sections)
		}
		return errors.Join(printSections(to.out, sections), wrong)
	})
}

// soak returns what came out; wrong says that not every job was done once.
func (c *soakCommand) soak(ctx context.Context, s *servers, log io.Writer) (text string, wrong, err error) {
	most, err := maximum(func(c contestant) (measurement, error) { return s.turn(ctx, "continuous", c) })
	if err != nil {
		return "", nil, err
	}
	rate := cmp.Or(c.Rate, int(most/2))
	fmt.Fprintf(log, "the most is %s jobs/s; %s are asked for\n", number(most), number(float64(rate)))
	database, err := s.fresh(ctx)
	if err != nil {
		return "", nil, err
	}
	st := stage{
		Scenario: "load", Contestant: soakName, Jobs: int(c.For.Seconds() * float64(rate)), Rate: rate,
		Database: s.postgres.URL(database), NATS: s.natsURL,
	}
	if err := soakPrepare(ctx, &st); err != nil {
		return "", nil, err
	}
	every := min(soakLongest, c.For/soakSamples)
	sampling, stop := context.WithCancel(ctx)
	defer stop()
	sampled := make(chan soakLog, 1) // one is sent
	go func() { sampled <- s.sampleAll(sampling, &st, every, log) }()
	measuring, giveUp := context.WithTimeout(ctx, c.For+patience)
	defer giveUp()
	m, err := s.measure(measuring, st, soakParts)
	stop()
	taken := <-sampled
	if err = errors.Join(err, taken.err); err != nil {
		return "", nil, err
	}
	if len(taken.samples) == 0 {
		return "", nil, errors.New("the worker has not answered once")
	}
	problems, err := soakProblems(ctx, &st, m)
	if err != nil {
		return "", nil, err
	}
	if len(problems) > 0 {
		wrong = errors.New("not every job was done exactly once: " + strings.Join(problems, ", "))
	}
	intro := fmt.Sprintf("%s at %s jobs/s, %.0f %% of the most that went through just before when asked for and worked on at the same time (%s); one worker process. "+
		"The stream keeps messages for %s, the ledger runs for %s; ops.delete_expired_runs is asked for %s and deletes once a minute.\n\n",
		c.For, number(float64(rate)), 100*float64(rate)/most, number(most), soakMaxAge, soakRetention, soakDeletes)
	return intro + taken.table() + "\n" + verdicts(taken.samples, m.Figures[published]/float64(rate), problems), wrong, nil
}

// soakPrepare makes a ledger and a short stream.
func soakPrepare(ctx context.Context, s *stage) error {
	if err := oprunEmpty(ctx, s); err != nil {
		return err
	}
	js, err := s.jetStream()
	if err != nil {
		return err
	}
	defer js.Conn().Close()
	topology := events.DefaultTopology()
	topology.MaxAge, topology.Duplicates = soakMaxAge, soakDuplicates
	_, err = topology.Apply(ctx, js, true)
	return err
}

// soakProblems says what is not as it must be when all is done: each job handled once and succeeded, nothing left over.
func soakProblems(ctx context.Context, s *stage, m measurement) (problems []string, err error) {
	for _, figure := range []string{soakTwice, soakNever} {
		if n := m.Figures[figure]; n > 0 {
			problems = append(problems, fmt.Sprintf("%.0f %s", n, figure))
		}
	}
	conn, err := pgx.Connect(ctx, s.Database)
	if err != nil {
		return nil, err
	}
	defer conn.Close(ctx)
	for what, query := range map[string]string{
		"did not succeed": "select count(*) from oprun.operation_runs where outcome <> 'succeeded' and type = 'bench.job'",
		"were retried":    "select count(*) from oprun.operation_runs where attempt > 1 and type = 'bench.job'",
		"dead letters":    "select count(*) from oprun.dead_letters",
	} {
		var n int
		if err := conn.QueryRow(ctx, query).Scan(&n); err != nil {
			return nil, err
		}
		if n > 0 {
			problems = append(problems, fmt.Sprintf("%d %s", n, what))
		}
	}
	return problems, nil
}

// soakState is what the worker says of itself when it is asked.
type soakState struct {
	Handled   int64
	P50, P99  float64 // of the starts since it was last asked, ms
	RSS, Heap float64 // MB
}

func (s *servers) askWorker(ctx context.Context) (state soakState, err error) {
	msg, err := s.js.Conn().RequestWithContext(ctx, soakSubject, nil)
	if err != nil {
		return state, err
	}
	return state, json.Unmarshal(msg.Data, &state)
}
