package main

import (
	"fmt"
	"maps"
	"slices"
	"text/tabwriter"
	"time"

	"oprun.example/internal/load"
)

// printLoad writes a report as three small tables, or as one JSON object.
func (a *app) printLoad(r load.Report) error {
	if a.Output != "table" {
		return a.encode(r)
	}
	table := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	d := r.Duplicates
	fmt.Fprintln(table, "MESSAGES\tREQUESTS\tSECONDS\tMESSAGES/S\tBEHIND\tSUPPRESSED\tLOAD")
	fmt.Fprintf(table, "%d\t%d\t%.1f\t%.0f\t%s\t%d\t%s\n", r.Messages, r.Requests, r.Seconds, r.PerSecond, short(r.Behind), d.Suppressed, r.Load)
	fmt.Fprintln(table, "\nLATENCY\tCOUNT\tP50\tP95\tP99\tMAX")
	printLatency(table, "due to acknowledged", r.Ack)
	if r.Verdicts != nil {
		printLatency(table, "stored to ended", r.Verdicts.End)
	}
	fmt.Fprintln(table, "\nWHAT\tOF\tCOUNT")
	fmt.Fprintf(table, "same message\tduplicates\t%d\n", d.SameMessage)
	fmt.Fprintf(table, "same request, other message\tduplicates\t%d\n", d.OtherMessage)
	fmt.Fprintf(table, "same identity, other request\tduplicates\t%d\n", d.SameIdentity)
	if r.Verdicts != nil {
		printVerdicts(table, *r.Verdicts)
	}
	return table.Flush()
}

func printLatency(table *tabwriter.Writer, what string, l load.Latency) {
	fmt.Fprintf(table, "%s\t%d\t%s\t%s\t%s\t%s\n", what, l.Count, short(l.P50), short(l.P95), short(l.P99), short(l.Max))
}

func printVerdicts(table *tabwriter.Writer, v load.Verdicts) {
	for _, outcome := range slices.Sorted(maps.Keys(v.Runs)) {
		fmt.Fprintf(table, "%s\truns\t%d\n", outcome, v.Runs[outcome])
	}
	fmt.Fprintf(table, "joined\trequests\t%d\n", v.Joined)
	fmt.Fprintf(table, "dead letters\trequests\t%d\n", v.DeadLetters)
	fmt.Fprintf(table, "unclaimed\trequests\t%d\n", v.Unclaimed)
	fmt.Fprintf(table, "succeeded twice\truns\t%d\n", v.Doubled)
}

func short(d time.Duration) string {
	switch {
	case d >= 10*time.Second:
		return d.Round(100 * time.Millisecond).String()
	case d >= 10*time.Millisecond:
		return d.Round(time.Millisecond).String()
	default:
		return d.Round(10 * time.Microsecond).String()
	}
}
