package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"oprun.example/internal/proc"
	"oprun.example/pkg/oprun"
)

type shadowCommands struct {
	Diff shadowDiffCommand `cmd:"" help:"Say where a shadow makes something else of its records than the ledger did. Exits with 1 when it does."`
	List shadowListCommand `cmd:"" help:"List the shadows of this database."`
	Drop shadowDropCommand `cmd:"" help:"Drop a shadow and what it found."`
}

type shadowDiffCommand struct {
	Name  string `arg:"" help:"The shadow."`
	Limit int    `default:"100" placeholder:"N" help:"How many differences to list at most, up to 10000; all are counted. Default: ${default}."`
}

type shadowListCommand struct{}

type shadowDropCommand struct {
	Name string `arg:"" help:"The shadow."`
}

// Help is the longer text of --help.
func (*shadowDiffCommand) Help() string {
	return "Compared are, run by run, the verdict on each request and the outcome, counts and failure codes of each run. What cannot be compared is " +
		"counted by the reason: not_in_ledger, active, ended_by_ledger, cancelled; refused, snoozed, unfinished. It changes nothing."
}

// withShadow runs do with a shadow.
func (a *app) withShadow(ctx context.Context, name string, do func(shadow *oprun.Shadow) error) error {
	return a.withLedger(ctx, func(ledger *oprun.Ledger) error {
		shadow, err := ledger.OpenShadow(ctx, name)
		if err != nil {
			return explainShadow(ctx, name, err)
		}
		defer shadow.Close()
		return do(shadow)
	})
}

// Run compares and shows what it found.
func (c *shadowDiffCommand) Run(ctx context.Context, a *app) error {
	const most = 10_000
	if err := oprun.ValidShadow(c.Name); err != nil {
		return misuse("shadow diff", "%w", err)
	}
	if c.Limit < 0 || c.Limit > most {
		return misuse("shadow diff", "--limit %d: write 0 to %d", c.Limit, most)
	}
	return a.withShadow(ctx, c.Name, func(shadow *oprun.Shadow) error {
		report, err := shadow.Diff(ctx, c.Limit)
		if err != nil {
			return err
		}
		if report.FinishedAt == nil {
			a.log.Warn("the record was not played to its end: the comparison is of a part of it", "shadow", c.Name)
		}
		if err := printDiff(a, report); err != nil || report.Different == 0 {
			return err
		}
		return &proc.Error{
			Code: proc.Failed, Err: fmt.Errorf("shadow %s: %d of %d records differ", c.Name, report.Different, report.Records),
			Hint: "type: consumer runs show <run>, and look into schema oprun_shadow_" + c.Name,
		}
	})
}

var differenceColumns = []column[oprun.ShadowDifference]{
	{"RUN", func(d oprun.ShadowDifference) string { return d.RunID.String() }},
	{"TYPE", func(d oprun.ShadowDifference) string { return d.Type }},
	{"SEQ", func(d oprun.ShadowDifference) string { return strconv.FormatInt(d.Sequence, 10) }},
	{"WHAT", func(d oprun.ShadowDifference) string { return strings.Join(d.What, ", ") }},
	{"LEDGER", func(d oprun.ShadowDifference) string { return endText(d.Ledger, d.What) }},
	{"SHADOW", func(d oprun.ShadowDifference) string { return endText(d.Shadow, d.What) }},
}

// endText is what differs of one side.
func endText(end oprun.ShadowEnd, what []string) string {
	var parts []string
	for _, w := range what {
		switch w {
		case "verdict":
			parts = append(parts, strings.TrimSpace(end.Verdict+" "+end.Reason+optional(end.Owner, uuid.UUID.String)))
		case "outcome":
			parts = append(parts, string(end.Outcome))
		case "counts":
			parts = append(parts, "counts{"+pairs(end.Counts)+"}")
		case "failures":
			parts = append(parts, "failures{"+pairs(end.Failures)+"}")
		}
	}
	return strings.Join(parts, ", ")
}

var totalColumns = []column[oprun.ShadowTotal]{
	{"TYPE", func(t oprun.ShadowTotal) string { return t.Type }},
	{"VERDICTS COMPARED", func(t oprun.ShadowTotal) string { return strconv.Itoa(t.Verdicts) }},
	{"OUTCOMES COMPARED", func(t oprun.ShadowTotal) string { return strconv.Itoa(t.Outcomes) }},
	{"DIFFERENT", func(t oprun.ShadowTotal) string { return strconv.Itoa(t.Different) }},
	{"NOT COMPARED", func(t oprun.ShadowTotal) string { return pairs(t.LeftOut) }},
}

// printDiff writes the differences and the totals: two tables, one JSON object, or a line for each.
func printDiff(a *app, report oprun.ShadowReport) error {
	switch a.Output {
	case tableOutput:
		if len(report.Differences) > 0 {
			if err := printTable(a.out, report.Differences, differenceColumns); err != nil {
				return err
			}
			fmt.Fprintln(a.out)
		}
		return printTable(a.out, report.Totals, totalColumns)
	case ndjsonOutput:
		if err := printList(a, report.Differences, differenceColumns); err != nil {
			return err
		}
		return printList(a, report.Totals, totalColumns)
	default:
		return printOne(a, report, nil)
	}
}

var shadowColumns = []column[oprun.ShadowInfo]{
	{"NAME", func(i oprun.ShadowInfo) string { return i.Name }},
	{"SOURCE", func(i oprun.ShadowInfo) string { return i.Source }},
	{"RECORDS", func(i oprun.ShadowInfo) string { return strconv.FormatInt(i.Records, 10) }},
	{"STARTED", func(i oprun.ShadowInfo) string { return optional(i.StartedAt, moment) }},
	{"FINISHED", func(i oprun.ShadowInfo) string { return optional(i.FinishedAt, moment) }},
}

// Run lists the shadows. Of one that cannot be read there is the name.
func (*shadowListCommand) Run(ctx context.Context, a *app) error {
	return a.withLedger(ctx, func(ledger *oprun.Ledger) error {
		names, err := ledger.Shadows(ctx)
		if err != nil {
			return err
		}
		infos := make([]oprun.ShadowInfo, 0, len(names))
		for _, name := range names {
			info := oprun.ShadowInfo{Name: name}
			if shadow, err := ledger.OpenShadow(ctx, name); err == nil {
				if read, err := shadow.About(ctx); err == nil {
					info = read
				}
				shadow.Close()
			}
			infos = append(infos, info)
		}
		return printList(a, infos, shadowColumns)
	})
}

// Run drops the shadow.
func (c *shadowDropCommand) Run(ctx context.Context, a *app) error {
	if err := oprun.ValidShadow(c.Name); err != nil {
		return misuse("shadow drop", "%w", err)
	}
	return a.withLedger(ctx, func(ledger *oprun.Ledger) error {
		if err := ledger.DropShadow(ctx, c.Name); err != nil {
			return explainShadow(ctx, c.Name, err)
		}
		a.log.Info("the shadow is dropped", "shadow", c.Name)
		return nil
	})
}
