package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"
)

// smokeScale is what a smoke does of a contestant's jobs.
const smokeScale = 1.0 / 10

// runner plays scenarios, round after round, so that a machine that changes its pace changes it for all.
type runner struct {
	rounds int
	scale  float64 // of the jobs in a round
	smoke  bool    // whether they do their work is all that is asked
	log    io.Writer

	profile string // the folder of profiles; empty: none are wanted
}

// round is what was measured in one round, by "scenario/contestant".
type round map[string]measurement

// results are all rounds of what was run.
type results struct {
	scenarios []scenario
	rounds    []round
	machine   machine
}

func (r runner) run(ctx context.Context, chosen []scenario) (all results, err error) {
	err = onServers(ctx, func(s *servers, machine machine) error {
		all.scenarios, all.machine = chosen, machine
		if r.profile != "" {
			if err := s.profileInto(ctx, r.profile); err != nil {
				return err
			}
		}
		for i := range r.rounds {
			measured, err := r.round(ctx, s, chosen, i)
			if err != nil {
				return err
			}
			all.rounds = append(all.rounds, measured)
		}
		return nil
	})
	return all, err
}

func (r runner) round(ctx context.Context, s *servers, chosen []scenario, i int) (round, error) {
	measured := round{}
	for _, scenario := range chosen {
		for _, c := range inOrderOf(i, scenario.contestants) {
			c.jobs = max(100, int(float64(c.jobs)*r.scale))
			key, start := scenario.name+"/"+c.name, time.Now()
			m, err := s.turn(ctx, scenario.name, c)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", key, err)
			}
			measured[key] = m
			if r.smoke {
				fmt.Fprintf(r.log, "%s did its work\n", key)
				continue
			}
			fmt.Fprintf(r.log, "round %d of %d  %-46s %8.0f jobs/s%s  (%.1fs)\n", i+1, r.rounds, key, m.Rate, m.waits(), time.Since(start).Seconds())
		}
	}
	return measured, nil
}

// inOrderOf is the order of a round: every other one goes backwards, so that nobody is always the first, or behind the same.
func inOrderOf(round int, contestants []contestant) []contestant {
	ordered := slices.Clone(contestants)
	if round%2 == 1 {
		slices.Reverse(ordered)
	}
	return ordered
}

// over returns what a function makes of each round, sorted.
func over(rounds []round, of func(round) float64) []float64 {
	var values []float64
	for _, r := range rounds {
		values = append(values, of(r))
	}
	slices.Sort(values)
	return values
}

// median is the middle of sorted values.
func median(sorted []float64) float64 {
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
