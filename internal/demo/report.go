package demo

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// ErrViolated says that the demo found a request without exactly one end. The report has said which.
var ErrViolated = errors.New("the promise was broken")

// report writes the table and the verdict.
func (a *audit) report(out io.Writer, consumers *consumers, took time.Duration) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) {
		fmt.Fprintf(table, "%s\t%s\n", name, fmt.Sprintf(format, args...))
	}
	row("published", "%d messages, %d suppressed by the broker", a.book.published, a.book.suppressed)
	row("accepted", "%d requests", len(a.book.requests))
	row("deliveries", "%s", spell(consumers.verdicts()))
	row("consumers", "%d started, 1 killed with SIGKILL while it worked (its last 100 ms of counts are lost)", len(consumers.all))
	row("runs", "%s", spell(a.outcomes))
	row("joined", "%d requests served by the run they met", a.joined)
	for _, jobType := range slices.Sorted(maps.Keys(a.want)) {
		row("effects of "+jobType, "%d expected, %d found", a.want[jobType], a.found[jobType])
	}
	row("attempts", "%d abandoned, %d fenced", a.results["abandoned"], a.results["fenced"])
	row("speed", "%.0f jobs/s (%d runs in %.1f s, the crash included)", float64(a.book.runs)/took.Seconds(), a.book.runs, took.Seconds())
	if err := table.Flush(); err != nil {
		return err
	}
	if len(a.violations) == 0 {
		_, err := fmt.Fprintf(out, "\nOK: each of %d accepted requests has exactly one effect, or joined the run that has it; nothing is active.\n", len(a.book.requests))
		return err
	}
	const shown = 10
	fmt.Fprintf(out, "\nBROKEN: %d violations:\n  %s\n", len(a.violations), strings.Join(a.violations[:min(shown, len(a.violations))], "\n  "))
	return ErrViolated
}

// spell writes counts as "execute 12, duplicate 3", the largest first.
func spell[N int | float64](counts map[string]N) string {
	names := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), strings.Compare(a, b))
	})
	parts := make([]string, 0, len(names))
	for _, name := range names {
		if counts[name] > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", name, int(counts[name])))
		}
	}
	return strings.Join(parts, ", ")
}
