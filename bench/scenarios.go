package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"oprun.example/internal/proc"
)

// scenario is a task and who is given it.
type scenario struct {
	name        string // for --only, and of its section in the documentation
	title       string
	contestants []contestant
	columns     []column // of its table; nil: those of a throughput
	goals       []goal   // what it is to show
}

// contestant is one system in one scenario.
type contestant struct {
	name     string
	settings string // what a reader must know to judge its figure
	jobs     int    // in a round: about three seconds' worth
	rate     int    // jobs/s that are asked for; 0: as fast as they go
	gauge    bool   // nothing that one would run: it is only in its scenario's table, to measure others by
	// prepare makes its schema and streams, and whatever is there before the clock runs.
	prepare func(context.Context, *stage) error
	parts   []part
	// done are queries for how many jobs it did; each must say: all.
	done []string
	// after corrects its measurement by what it left behind; nil: there is nothing to correct.
	after func(context.Context, stage, *measurement) error
}

// systems are the contestants that one would run.
func (s scenario) systems() []contestant {
	return slices.DeleteFunc(slices.Clone(s.contestants), func(c contestant) bool { return c.gauge })
}

// part is one process of a contestant. It connects, and returns what the clock runs for, which returns when all jobs are
// done, or its share in them.
type part func(context.Context, *stage) (timed func() error, err error)

// scenarios are all there is to run, in this order.
func scenarios() []scenario {
	return []scenario{drain(), continuous(), effects(), ledgerFirst(), latency(), processes()}
}

// choose returns the scenarios of these names; none: all.
func choose(names []string) ([]scenario, error) {
	all := scenarios()
	if len(names) == 0 {
		return all, nil
	}
	var chosen []scenario
	for _, name := range names {
		i := slices.IndexFunc(all, func(s scenario) bool { return s.name == name })
		if i < 0 {
			return nil, &proc.Error{Code: proc.Usage, Err: fmt.Errorf("there is no scenario %q; there are %s", name, strings.Join(namesOf(all), ", "))}
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}

func namesOf(all []scenario) (names []string) {
	for _, s := range all {
		names = append(names, s.name)
	}
	return names
}
