package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/google/uuid"
)

// growCommand measures with a table that has grown.
type growCommand struct {
	Rows   int  `help:"Finished runs to begin with (10 million)." default:"10000000"`
	Rounds int  `help:"Rounds of all contestants (5)." default:"5"`
	Write  bool `help:"Rewrite the figures in the documentation instead of printing them."`
}

func (c *growCommand) Run(ctx context.Context, to streams) error {
	if c.Rows < keptDays {
		return wrongUsage(fmt.Sprintf("--rows is at least %d, one a day", keptDays))
	}
	refused := atLeastOne(c.Rounds)
	if c.Write {
		refused = refuseWrite(c.Rounds, growthSection)
	}
	if refused != nil {
		return refused
	}
	return onServers(ctx, func(s *servers, machine machine) error {
		g := growth{servers: s, rows: c.Rows, rounds: c.Rounds, log: to.err}
		text, err := g.measureAll(ctx, machine)
		if err != nil {
			return err
		}
		sections := []section{{growthSection, text}}
		if !c.Write {
			return printSections(to.out, sections)
		}
		return writeSections(root, sections)
	})
}

// growth plays the same contestants on databases that have grown, and on one that has not.
type growth struct {
	servers      *servers
	rows, rounds int
	log          io.Writer
}

// grown are the databases, besides a new one in each turn.
var grown = []struct {
	database, title string
	undated         bool
}{
	{"dated", "ids in the order of time", false},
	{"undated", "undated ids, hashed from foreign request ids", true},
}

const (
	growthSection = "growth"
	withoutRows   = "none"
)

func (g growth) measureAll(ctx context.Context, machine machine) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "%s finished runs of the last %d days, one in %d of them failed. %s", thousands(int64(g.rows)), keptDays, fillEvery, machine.String())
	b.WriteString("\n| the database | table MB | its primary key, MB | rows/s while filling |\n|---|---|---|---|\n")
	for _, d := range grown {
		row, err := g.fill(ctx, d.database, d.title, d.undated)
		if err != nil {
			return "", fmt.Errorf("fill %s: %w", d.database, err)
		}
		b.WriteString(row)
	}
	r := results{machine: machine, scenarios: []scenario{g.scenario()}}
	for i := range g.rounds {
		measured, err := g.round(ctx, i)
		if err != nil {
			return "", err
		}
		r.rounds = append(r.rounds, measured)
	}
	b.WriteString("\n" + r.table(r.scenarios[0]) + r.goals(r.scenarios[0]))
	deleted, err := g.retention(ctx)
	return b.String() + deleted, err
}

// scenario is what the report needs of the contestants; round plays them.
func (g growth) scenario() scenario {
	s := scenario{name: growthSection, columns: append(slices.Clone(throughput), column{"start p50 ms", func(all []measurement) string {
		if all[0].Figures[half] == 0 {
			return "–"
		}
		return middle(named(half))(all)
	}})}
	for _, c := range growers() {
		for _, where := range g.places() {
			s.contestants = append(s.contestants, contestant{name: c.name + ", " + where, settings: c.settings})
		}
	}
	for _, d := range grown {
		for _, c := range growers() {
			s.goals = append(s.goals, c.goal(d.title))
		}
	}
	return s
}

// goal is what a grown database may cost: of the rate, or of the wait where the rate is given.
func (c grower) goal(place string) goal {
	key, over := "growth/"+c.name+", "+place, "growth/"+c.name+", "+withoutRows
	if c.rate > 0 {
		return goal{figure: c.name + ", p50, " + place + " / no rows", must: 1 / 0.92, aim: 1 / 0.97, atMost: true, of: ratio(named(half), key, over)}
	}
	return goal{figure: c.name + ", " + place + " / no rows", must: 0.92, aim: 0.97, of: ratio(rate, key, over)}
}

func (g growth) places() []string {
	places := []string{withoutRows}
	for _, d := range grown {
		places = append(places, d.title)
	}
	return places
}

// grower is a contestant of another scenario, which plays on all databases.
type grower struct {
	contestant
	scenario string
}

func growers() (all []grower) {
	for _, from := range []struct {
		scenario
		names []string
	}{
		{drain(), []string{"oprun", "ledger alone"}},
		{effects(), []string{"oprun, job.Queue", "oprun, job.Commit"}},
		{latency(), []string{"oprun, 1,000/s"}},
	} {
		for _, c := range from.contestants {
			if slices.Contains(from.names, c.name) {
				all = append(all, grower{c, from.name})
			}
		}
	}
	return all
}

func (g growth) round(ctx context.Context, i int) (round, error) {
	measured := round{}
	for _, c := range growers() {
		places := g.places()
		if i%2 == 1 {
			slices.Reverse(places) // so that none is always the first
		}
		for _, place := range places {
			m, err := g.turnAt(ctx, place, c)
			if err != nil {
				return nil, fmt.Errorf("%s, %s: %w", c.name, place, err)
			}
			measured["growth/"+c.name+", "+place] = m
		}
		fmt.Fprintf(g.log, "round %d of %d  %s\n", i+1, g.rounds, c.name)
	}
	return measured, nil
}

func (g growth) turnAt(ctx context.Context, place string, c grower) (measurement, error) {
	for _, d := range grown {
		if d.title == place {
			return g.turn(ctx, d.database, c.scenario, c.contestant, d.undated)
		}
	}
	return g.servers.turn(ctx, c.scenario, c.contestant)
}

// turn is one on a database that stays; the new jobs' ids are as those of the rows. What it is asked for afterwards is
// about the runs of this turn alone: those made since it began, by the database's clock.
func (g growth) turn(ctx context.Context, database, scenario string, c contestant, undated bool) (measurement, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := g.servers.clear(ctx); err != nil {
		return measurement{}, err
	}
	st := stage{Database: g.servers.postgres.URL(database)}
	if err := st.execute(ctx, "drop table if exists effects"); err != nil { // those of the last turn
		return measurement{}, err
	}
	var now string
	if err := g.servers.admin.QueryRow(ctx, "select clock_timestamp()::text").Scan(&now); err != nil {
		return measurement{}, err
	}
	c.after = nil // it looks at all rows
	c.done = slices.Clone(c.done)
	for i, query := range c.done {
		if query == countRuns {
			c.done[i] = fmt.Sprintf("%s and created_at >= '%s'", countRuns, now)
		}
	}
	foreign := ""
	if undated {
		foreign = "foreign-" + uuid.NewString() // of this turn alone
	}
	return g.servers.turnOn(ctx, database, scenario, c, foreign)
}
