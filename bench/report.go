package main

import (
	"fmt"
	"io"
	"math"
	"strings"
)

// section is a piece of the documentation that is not written by hand.
type section struct{ name, text string }

// column is one of a scenario's table: a head, and what it makes of a contestant's rounds.
type column struct {
	head string
	cell func([]measurement) string
}

var throughput = []column{
	{"jobs/s (least–most)", func(all []measurement) string { return spread(each(all, rate)) }},
	{"CPU µs/job", middle(cpu)},
	{"of it own (each process), Postgres, NATS", func(all []measurement) string {
		postgres, nats := each(all, func(m measurement) float64 { return m.Postgres }), each(all, func(m measurement) float64 { return m.NATS })
		return fmt.Sprintf("%s, %s, %s", ofParts(all), number(median(postgres)), number(median(nats)))
	}},
	{"WAL B/job", middle(wal)},
	{"peak MB", middle(peak)},
}

// ofParts shows what each process of a contestant has used; the worker is the first.
func ofParts(all []measurement) string {
	own := make([]string, len(all[0].Parts))
	for i := range own {
		own[i] = number(median(each(all, func(m measurement) float64 { return m.Parts[i] })))
	}
	return strings.Join(own, " + ")
}

// spread shows the median of sorted values, and between what they are.
func spread(sorted []float64) string {
	return fmt.Sprintf("%s (%s–%s)", number(median(sorted)), number(sorted[0]), number(sorted[len(sorted)-1]))
}

// middle shows the median of a field.
func middle(of field) func([]measurement) string {
	return func(all []measurement) string { return number(median(each(all, of))) }
}

// each returns a field of all measurements, sorted.
func each(all []measurement, of field) []float64 {
	rounds := make([]round, len(all))
	for i, m := range all {
		rounds[i] = round{"": m}
	}
	return over(rounds, figure(of, ""))
}

// sections are all that these results can say. What compares scenarios needs all of them.
func (r results) sections() []section {
	sections := []section{{"machine", r.machine.String()}}
	for _, s := range r.scenarios {
		sections = append(sections, section{s.name, r.table(s) + r.goals(s)})
	}
	if r.complete() {
		sections = append(sections, section{"summary", r.summary()})
	}
	return sections
}

// sectionNames are those of the sections.
func (r results) sectionNames() []string {
	names := append([]string{"machine"}, namesOf(r.scenarios)...)
	if r.complete() {
		names = append(names, "summary")
	}
	return names
}

// complete reports whether everything was run.
func (r results) complete() bool { return len(r.scenarios) == len(scenarios()) }

func (r results) table(s scenario) string {
	columns := s.columns
	if columns == nil {
		columns = throughput
	}
	var b strings.Builder
	b.WriteString("| |")
	for _, c := range columns {
		b.WriteString(" " + c.head + " |")
	}
	b.WriteString(" settings |\n|" + strings.Repeat("---|", len(columns)+2) + "\n")
	for _, c := range s.contestants {
		b.WriteString("| " + c.name + " |")
		for _, column := range columns {
			b.WriteString(" " + column.cell(r.of(s, c)) + " |")
		}
		b.WriteString(" " + c.settings + " |\n")
	}
	return b.String() + fmt.Sprintf("\nMedians of %d rounds on %s: %s.\n", len(r.rounds), r.machine.date, r.machine.hardware)
}

// of returns a contestant's rounds.
func (r results) of(s scenario, c contestant) (all []measurement) {
	for _, measured := range r.rounds {
		all = append(all, measured[s.name+"/"+c.name])
	}
	return all
}

func (r results) goals(s scenario) string {
	if len(s.goals) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("\n| | must | aim | median (least–most) | |\n|---|---|---|---|---|\n")
	for _, g := range s.goals {
		b.WriteString(g.row(r.rounds) + "\n")
	}
	return b.String()
}

// summary is the short form, for the README.
func (r results) summary() string {
	var b strings.Builder
	b.WriteString("| | | jobs/s | CPU µs/job |\n|---|---|---|---|\n")
	for _, s := range r.scenarios {
		if s.columns != nil {
			continue // not about throughput
		}
		for i, c := range s.systems() {
			task := ""
			if i == 0 {
				task = s.title
			}
			all := r.of(s, c)
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", task, c.name, number(median(each(all, rate))), number(median(each(all, cpu))))
		}
	}
	return b.String() + fmt.Sprintf("\nMedians of %d rounds on %s: %s.\n", len(r.rounds), r.machine.date, r.machine.hardware)
}

// number writes three digits that mean something, and thousands apart.
func number(x float64) string {
	switch size := math.Abs(x); {
	case size >= 1000:
		unit := math.Pow(10, math.Floor(math.Log10(size))-2)
		return thousands(int64(math.Round(x/unit) * unit))
	case size >= 100:
		return thousands(int64(math.Round(x)))
	case size >= 10:
		return trim(fmt.Sprintf("%.1f", x))
	default:
		return trim(fmt.Sprintf("%.2f", x))
	}
}

func trim(decimal string) string { return strings.TrimSuffix(strings.TrimRight(decimal, "0"), ".") }

func thousands(n int64) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}

// printSections prints them as they would stand in the documentation.
func printSections(w io.Writer, sections []section) error {
	for _, s := range sections {
		if _, err := fmt.Fprintf(w, "## %s\n\n%s\n", s.name, s.text); err != nil {
			return err
		}
	}
	return nil
}
