package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"oprun.example/internal/proc"
	"oprun.example/pkg/oprun"
)

type runsCommands struct {
	List   runsListCommand   `cmd:"" help:"List runs, newest first."`
	Show   runsShowCommand   `cmd:"" help:"Show one run and its recorded attempts."`
	Cancel runsCancelCommand `cmd:"" help:"Cancel a queued run, or ask a running one to stop."`
	Retry  runsRetryCommand  `cmd:"" help:"Try a run that has ended again, as a new run."`
	Watch  runsWatchCommand  `cmd:"" help:"Follow a run until it ends."`
}

type runsListCommand struct {
	Status    string      `enum:",queued, running, completed" default:"" placeholder:"STATUS" help:"queued, running or completed."`
	Outcome   string      `enum:",${outcomes}" default:"" placeholder:"OUTCOME" help:"One of ${outcomes}."`
	Type      string      `placeholder:"TYPE" help:"Job type."`
	Tenant    uuid.UUID   `placeholder:"ID" help:"External id of a tenant."`
	Freshness string      `enum:",${freshnesses}" default:"" placeholder:"FRESHNESS" help:"One of ${freshnesses}."`
	Problem   string      `enum:",${problems}" default:"" placeholder:"PROBLEM" help:"One of ${problems}."`
	Since     proc.Moment `placeholder:"TIME" help:"Created since: how long ago, as in 90m or 7d, or a time, as in 2026-01-31T15:04:05Z."`
	page
}

// page says which part of a long list to show.
type page struct {
	Before uuid.UUID `placeholder:"ID" help:"Go on after this, the last id of the page before."`
	Limit  int       `default:"50" placeholder:"N" help:"How many at most, up to 1000. Default: ${default}."`
}

const maxPage = 1000

func (p page) validate(command string) error {
	if p.Limit < 1 || p.Limit > maxPage {
		return misuse(command, "--limit %d: write 1 to %d", p.Limit, maxPage)
	}
	return nil
}

// more says how to see the next page, when there may be one.
func (p page) more(a *app, shown int, last func() uuid.UUID) {
	if shown == p.Limit {
		a.log.Info("there may be more: type the same again with --before", "before", last().String())
	}
}

type runsShowCommand struct {
	ID uuid.UUID `arg:"" help:"The run's id."`
}

var runColumns = []column[oprun.Run]{
	{"RUN", func(r oprun.Run) string { return r.ID.String() }},
	{"TYPE", func(r oprun.Run) string { return r.Type }},
	{"SCOPE", scopeOf},
	{"STATUS", func(r oprun.Run) string { return r.Status }},
	{"OUTCOME", func(r oprun.Run) string { return string(r.Outcome) }},
	{"ATTEMPT", func(r oprun.Run) string { return strconv.Itoa(r.Attempt) + "/" + strconv.Itoa(r.MaxAttempts) }},
	{"CREATED", func(r oprun.Run) string { return moment(r.CreatedAt) }},
	{"TOOK", took},
	{"PROBLEM", problem},
}

// Run lists a page of runs.
func (c *runsListCommand) Run(ctx context.Context, a *app) error {
	if err := c.validate("runs list"); err != nil {
		return err
	}
	return a.withLedger(ctx, func(ledger *oprun.Ledger) error {
		runs, err := ledger.Runs(ctx, oprun.RunFilter{
			Before: c.Before, Status: c.Status, Outcome: oprun.Outcome(c.Outcome), Type: c.Type, Tenant: c.Tenant,
			Since: c.Since.Time, Limit: c.Limit, Freshness: oprun.Freshness(c.Freshness), Problem: oprun.Problem(c.Problem),
		})
		if err != nil {
			return err
		}
		c.more(a, len(runs), func() uuid.UUID { return runs[len(runs)-1].ID })
		return printList(a, runs, runColumns)
	})
}

// story is a run with its attempts.
type story struct {
	oprun.Run
	Attempts []oprun.Attempt `json:"attempts"` // all but one that succeeded first time
}

// Run shows the run.
func (c *runsShowCommand) Run(ctx context.Context, a *app) error {
	return a.withLedger(ctx, func(ledger *oprun.Ledger) error {
		run, err := ledger.Run(ctx, c.ID)
		if err != nil {
			return noRun(err)
		}
		return a.printStory(ctx, ledger, run)
	})
}

// printStory shows a run, whole.
func (a *app) printStory(ctx context.Context, ledger *oprun.Ledger, run oprun.Run) error {
	attempts, err := ledger.Attempts(ctx, run.ID)
	if err != nil {
		return err
	}
	return printOne(a, story{run, append([]oprun.Attempt{}, attempts...)}, storyColumns)
}

// noRun says where to look for a run that is not there.
func noRun(err error) error { return notFound(err, "type: consumer runs list") }

var storyColumns = append(with(runColumns, func(s story) oprun.Run { return s.Run }), []column[story]{
	{"FRESHNESS", func(s story) string { return string(s.Freshness) }},
	{"WORKSPACE ID", func(s story) string { return s.WorkspaceID.String() }},
	{"INITIATOR", func(s story) string { return s.InitiatorName }},
	{"IDENTITY", func(s story) string { return s.IdentityHash }},
	{"ORIGIN", origin},
	{"CLAIMED BY", func(s story) string { return optional(s.ClaimedBy, uuid.UUID.String) }},
	{"LEASE ENDS", func(s story) string { return optional(s.LeaseExpiresAt, moment) }},
	{"DUE", due},
	{"CANCEL ASKED", func(s story) string { return optional(s.CancelRequestedAt, moment) }},
	{"STARTED", func(s story) string { return optional(s.StartedAt, moment) }},
	{"COMPLETED", func(s story) string { return optional(s.CompletedAt, moment) }},
	{"COUNTS", func(s story) string { return pairs(s.SummaryCounts) }},
	{"FAILURES", failures},
	{"ATTEMPTS", attempts},
	{"CONTEXT", func(s story) string { return strings.TrimSuffix(string(s.Context), "{}") }},
}...)

func scopeOf(r oprun.Run) string {
	if r.TenantID == nil {
		return "workspace " + r.WorkspaceID.String()
	}
	return "tenant " + r.TenantID.String()
}

// took is how long a run took from its first claim to its end.
func took(r oprun.Run) string {
	if r.StartedAt == nil || r.CompletedAt == nil {
		return ""
	}
	return r.CompletedAt.Sub(*r.StartedAt).Round(time.Millisecond).String()
}

// problem is empty for the many runs that have none.
func problem(r oprun.Run) string {
	if r.Problem == oprun.NoProblem {
		return ""
	}
	return string(r.Problem)
}

func due(s story) string {
	if s.Parked() {
		return "when the tenant is resumed"
	}
	return optional(s.DueAt, moment)
}

func origin(s story) string {
	if s.OriginStream == nil || s.OriginSeq == nil {
		return ""
	}
	return *s.OriginStream + " " + strconv.FormatInt(*s.OriginSeq, 10)
}

func failures(s story) string {
	texts := make([]string, len(s.FailureSummary))
	for i, f := range s.FailureSummary {
		texts[i] = fmt.Sprintf("%d × %s: %s", f.Count, f.Code, f.Message)
	}
	return strings.Join(texts, "; ")
}

func attempts(s story) string {
	texts := make([]string, len(s.Attempts))
	for i, t := range s.Attempts {
		result := string(t.Result)
		if t.Cause != "" {
			result += " by " + string(t.Cause)
		}
		texts[i] = fmt.Sprintf("%d %s %s", t.Attempt, result, t.Error)
	}
	return strings.Join(texts, "; ")
}
