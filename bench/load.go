package main

import "slices"

// maximum is how many jobs/s go through when they are asked for and worked on at the same time (the continuous scenario):
// the median of three turns. A drain, whose jobs are all there before, is no measure of what a load may be.
func maximum(turn func(contestant) (measurement, error)) (float64, error) {
	var rates []float64
	for range 3 {
		m, err := turn(continuous().contestants[0])
		if err != nil {
			return 0, err
		}
		rates = append(rates, m.Rate)
	}
	slices.Sort(rates)
	return median(rates), nil
}

// load is a worker under a load that its caller says, with what may be in its database already. It is in no table of
// its own: grow and soak use it.
func load() scenario {
	return scenario{name: "load", contestants: []contestant{
		{name: "oprun", prepare: oprunEmpty, parts: []part{watched(oprunWatched), oprunPaced}, done: []string{countRuns}},
		{name: soakName, prepare: soakPrepare, parts: []part{soakWork, oprunPaced}},
	}}
}
