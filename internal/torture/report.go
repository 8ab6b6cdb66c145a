package torture

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// report writes what was done and what became of it, and the verdict.
func (a *audit) report(config Config, n *nemesis, consumers *consumers, busy, took time.Duration) error {
	table := tabwriter.NewWriter(config.Out, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) {
		fmt.Fprintf(table, "%s\t%s\n", name, fmt.Sprintf(format, args...))
	}
	row("seed", "%d", config.Seed)
	row("jobs", "%d asked for, of %d; %d more in transactions that were held", len(a.requests)-a.held(), config.Jobs, a.held())
	row("faults", "%d: %s", n.count(), spell(n.faults()))
	row("consumers", "%d started, %d ended unasked and were replaced", len(consumers.all), consumers.unasked)
	row("answers", "%s", spell(a.by(func(r *request) string { return string(r.Event) })))
	row("ways", "%s", spell(a.by(func(r *request) string { return string(r.Way) })))
	row("ends", "%s", spell(a.sums))
	row("joins", "%s", spell(a.verdicts()))
	row("runs", "%d: %s", len(a.runs), spell(a.outcomes()))
	row("lost, doubled", "%d, %d", a.sums[lost], a.sums[misplaced])
	row("speed", "%.0f runs/s over %.0f s of faults, at rest %.1f s after them", float64(len(a.runs))/busy.Seconds(), busy.Seconds(), (took - busy).Seconds())
	if err := table.Flush(); err != nil {
		return err
	}
	if len(a.violations) == 0 {
		_, err := fmt.Fprintf(config.Out, "\nOK: I1 to I13 hold, nothing is lost, nothing happened twice.\n")
		return err
	}
	fmt.Fprintf(config.Out, "\nBROKEN: %d violations: %s\n%s", len(a.violations), spell(a.broken()), a.listed(20))
	return ErrViolated
}

// listed are some violations of each invariant, with their ids.
func (a *audit) listed(each int) string {
	var text strings.Builder
	shown := map[string]int{}
	for _, v := range slices.SortedStableFunc(slices.Values(a.violations), func(x, y violation) int { return cmp.Compare(x.invariant, y.invariant) }) {
		if shown[v.invariant]++; shown[v.invariant] <= each {
			fmt.Fprintf(&text, "  %s: %s\n", v.invariant, v.text)
		}
	}
	return text.String()
}

func (a *audit) broken() map[string]int {
	counts := map[string]int{}
	for _, v := range a.violations {
		counts[v.invariant]++
	}
	return counts
}

func (a *audit) by(what func(*request) string) map[string]int {
	counts := map[string]int{}
	for _, r := range a.requests {
		counts[what(r)]++
	}
	return counts
}

// held counts the requests that were faults.
func (a *audit) held() (n int) {
	for number := range a.requests {
		if number < numbersApart {
			n++
		}
	}
	return n
}

// verdicts are those of the recorded deliveries.
func (a *audit) verdicts() map[string]int {
	counts := map[string]int{}
	for _, j := range a.joins {
		counts[j.Verdict]++
	}
	return counts
}

func (a *audit) outcomes() map[string]int {
	counts := map[string]int{}
	for _, r := range a.runs {
		counts[r.Outcome]++
	}
	return counts
}

// spell writes counts as "ran 12, joined 3", the largest first.
func spell(counts map[string]int) string {
	names := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), strings.Compare(a, b))
	})
	parts := make([]string, 0, len(names))
	for _, name := range names {
		parts = append(parts, fmt.Sprintf("%s %d", name, counts[name]))
	}
	return strings.Join(parts, ", ")
}
