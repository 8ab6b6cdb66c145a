package main

import (
	"fmt"
	"math"
)

// goal is what a scenario is to show: a figure of each round, of which the median counts. A ratio is of two turns of the
// same round, so that it holds on a machine whose pace drifts.
type goal struct {
	figure    string
	must, aim float64
	atMost    bool // the figure is to be no more than that; else no less
	of        func(round) float64
}

// field is one figure of a measurement.
type field func(measurement) float64

func rate(m measurement) float64 { return m.Rate }
func cpu(m measurement) float64  { return m.Own + m.Postgres + m.NATS }
func wal(m measurement) float64  { return m.WAL }
func peak(m measurement) float64 { return m.Peak }

// figure is a contestant's, by "scenario/contestant".
func figure(of field, key string) func(round) float64 {
	return func(r round) float64 {
		if m, ok := r[key]; ok {
			return of(m)
		}
		return math.NaN() // a test looks for it
	}
}

// ratio is the one contestant's figure over the other's.
func ratio(of field, key, over string) func(round) float64 {
	return func(r round) float64 { return figure(of, key)(r) / figure(of, over)(r) }
}

// row says what was to be reached, and what was.
func (g goal) row(rounds []round) string {
	sorted := over(rounds, g.of)
	reached, sign, verdict := median(sorted), "≥", "reached"
	missed := func(bound float64) bool { return reached < bound }
	if g.atMost {
		sign, missed = "≤", func(bound float64) bool { return reached > bound }
	}
	switch {
	case math.IsNaN(reached):
		verdict = "not measured"
	case missed(g.must):
		verdict = "**missed**"
	case missed(g.aim):
		verdict = "reached, not the aim"
	}
	return fmt.Sprintf("| %s | %s %s | %s %s | %s | %s |", g.figure, sign, number(g.must), sign, number(g.aim), spread(sorted), verdict)
}
