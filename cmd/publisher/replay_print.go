package main

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"oprun.example/internal/replay"
)

// replayed is how far a replay is, in a line.
func replayed(p replay.Progress) string {
	of := ""
	if p.Total > 0 {
		of = fmt.Sprintf(" of %d", p.Total)
	}
	text := fmt.Sprintf("%d%s messages, %d published", p.Judged, of, p.Published)
	if p.Waiting > 0 {
		text += fmt.Sprintf(", %d waiting", p.Waiting)
	}
	return text
}

// printReplay writes a report as two tables, in numbers and by what became of the messages, or as one JSON object.
func (a *app) printReplay(r replay.Report) error {
	if a.Output != "table" {
		return a.encode(r)
	}
	table := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "MESSAGES\tPUBLISHED\tREFUSED\tNEW EFFECTS\tTOOK")
	effects := fmt.Sprint(r.Effects)
	if r.DryRun { // there can be none
		effects = "-"
	}
	fmt.Fprintf(table, "%d\t%d\t%d\t%s\t%s\n", r.Messages, r.Published, r.Refused, effects, r.Took.Round(time.Millisecond))
	if err := table.Flush(); err != nil || len(r.Rows) == 0 {
		return err
	}
	fmt.Fprintln(a.out)
	fmt.Fprintln(table, "TYPE\tVERDICT\tDETAIL\tMESSAGES")
	for _, row := range r.Rows {
		fmt.Fprintf(table, "%s\t%s\t%s\t%d\n", row.Type, strings.ReplaceAll(string(row.Verdict), "_", " "), orDash(row.Detail), row.Messages)
	}
	return table.Flush()
}
