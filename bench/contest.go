package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/jackc/pgx/v5"
)

// measurement is what one contestant did in one turn. Times are per job.
type measurement struct {
	Rate                float64   // jobs/s
	Own, Postgres, NATS float64   // CPU, µs: the contestant's processes, and the servers
	Parts               []float64 // of Own, that of each process
	WAL                 float64   // bytes
	Peak                float64   // MB of memory: of its largest process
	Figures             map[string]float64
}

// patience is how long a turn may take. The slowest machine needs a fraction of it.
const patience = 5 * time.Minute

// turn has one contestant do its jobs, on a database and streams of its own.
func (s *servers) turn(ctx context.Context, scenario string, c contestant) (m measurement, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	database, err := s.fresh(ctx)
	if err != nil {
		return m, err
	}
	if m, err = s.turnOn(ctx, database, scenario, c, ""); err != nil {
		return m, err
	}
	return m, s.drop(ctx, database)
}

// turnOn has one contestant do its jobs on this database, with whatever is in it. With a prefix for them its jobs have
// request ids without a date.
func (s *servers) turnOn(ctx context.Context, database, scenario string, c contestant, foreign string) (m measurement, err error) {
	st := stage{Scenario: scenario, Contestant: c.name, Jobs: c.jobs, Rate: c.rate, Database: s.postgres.URL(database), NATS: s.natsURL, Foreign: foreign, Profile: s.profile}
	if err := c.prepare(ctx, &st); err != nil {
		return m, fmt.Errorf("prepare: %w", err)
	}
	if m, err = s.measure(ctx, st, len(c.parts)); err != nil {
		return m, err
	}
	if err := check(ctx, st, c.done); err != nil || c.after == nil {
		return m, err
	}
	err = c.after(ctx, st, &m)
	return m, err
}

// measure starts the contestant's processes, lets them go at the same time, and waits until all are done.
func (s *servers) measure(ctx context.Context, st stage, parts int) (m measurement, err error) {
	var players []*player
	defer func() {
		for _, p := range players {
			err = errors.Join(err, p.stop())
		}
	}()
	for st.Part = range parts {
		p, err := startPlayer(ctx, st)
		if err != nil {
			return m, err
		}
		players = append(players, p)
	}
	if err := s.forgetStatements(ctx); err != nil {
		return m, err
	}
	before, err := s.usage(ctx)
	if err != nil {
		return m, err
	}
	scores, err := playAll(players)
	if err != nil {
		return m, err
	}
	after, err := s.usage(ctx)
	if err != nil {
		return m, err
	}
	return sum(float64(st.Jobs), scores, before, after), s.tellStatements(ctx, st)
}

func playAll(players []*player) (scores []score, _ error) {
	for _, p := range players {
		if err := p.begin(); err != nil {
			return nil, err
		}
	}
	scores = make([]score, len(players))
	errs := make(chan error, len(players)) // one of each: whoever fails first ends the turn, whatever others wait for
	for i, p := range players {
		go func() {
			var err error
			scores[i], err = p.score()
			errs <- err
		}()
	}
	for range players {
		if err := <-errs; err != nil {
			return nil, err
		}
	}
	return scores, nil
}

// sum makes one measurement of what the processes say and what the servers have used. The clock runs from the first
// beginning to the last end.
func sum(jobs float64, scores []score, before, after usage) measurement {
	m := measurement{Figures: map[string]float64{}}
	began, ended := scores[0].Began, scores[0].Ended
	var own time.Duration
	for _, s := range scores {
		if s.Began.Before(began) {
			began = s.Began
		}
		if s.Ended.After(ended) {
			ended = s.Ended
		}
		own += s.CPU
		m.Parts = append(m.Parts, perJob(s.CPU, jobs))
		m.Peak = max(m.Peak, float64(s.Peak)/(1<<20))
		maps.Copy(m.Figures, s.Figures)
	}
	m.Rate = jobs / ended.Sub(began).Seconds()
	m.Own, m.Postgres, m.NATS = perJob(own, jobs), perJob(after.postgres-before.postgres, jobs), perJob(after.nats-before.nats, jobs)
	m.WAL = float64(after.wal-before.wal) / jobs
	return m
}

func perJob(cpu time.Duration, jobs float64) float64 { return float64(cpu.Microseconds()) / jobs }

// check makes sure that the turn was real: every job was done, and once.
func check(ctx context.Context, st stage, done []string) error {
	conn, err := pgx.Connect(ctx, st.Database)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	for _, query := range done {
		var n int
		if err := conn.QueryRow(ctx, query).Scan(&n); err != nil {
			return fmt.Errorf("%s: %w", query, err)
		}
		if n != st.Jobs {
			return fmt.Errorf("of %d jobs %d were done: %s", st.Jobs, n, query)
		}
	}
	return nil
}
