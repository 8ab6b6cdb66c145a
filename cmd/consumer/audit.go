package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"oprun.example/internal/proc"
	"oprun.example/pkg/events"
	"oprun.example/pkg/jobs"
	"oprun.example/pkg/oprun"
)

type auditCommand struct {
	FromSeq uint64        `placeholder:"N" help:"First message, by its sequence number. Default: the stream's first."`
	ToSeq   uint64        `placeholder:"N" help:"Last message. Default: the stream's last."`
	Since   proc.Moment   `placeholder:"TIME" help:"Stored since: how long ago, as in 90m or 7d, or a time, as in 2026-01-31T15:04:05Z."`
	Until   proc.Moment   `placeholder:"TIME" help:"Stored before, written like --since."`
	Grace   time.Duration `placeholder:"DURATION" help:"Younger messages count as waiting. Default: 30s, or twice the consumer's AckWait if that is longer."`
	Types   []string      `placeholder:"TYPE" help:"Audit the consumer of these job types, and their messages only. Default: all types."`
	Limit   int           `default:"100" placeholder:"N" help:"How many unaccounted and how many doubled messages to list at most, up to 10000; all are counted. Default: ${default}."`
}

// Help is the longer text of --help.
func (*auditCommand) Help() string {
	return "Every message of the stream must be a run, a recorded duplicate or a dead letter, once. A message is unaccounted when the " +
		"consumer has passed it and the ledger knows nothing of it; doubled when it ended more than once. Exits with 4 when there is one. " +
		"It changes nothing. To find twins it reads every run of the ledger once."
}

func (c *auditCommand) validate() error {
	const most = 10_000
	switch {
	case c.Limit < 1 || c.Limit > most:
		return fmt.Errorf("--limit %d: write 1 to %d", c.Limit, most)
	case c.Grace < 0:
		return fmt.Errorf("--grace %s: write a duration, as in 90s", c.Grace)
	}
	return proc.ValidPart(c.FromSeq, c.ToSeq, c.Since, c.Until)
}

// Run audits and shows what it found.
func (c *auditCommand) Run(ctx context.Context, a *app) error {
	topology := a.topology(c.Types)
	if err := errors.Join(c.validate(), topology.Validate()); err != nil {
		return misuse("audit", "%w", err)
	}
	return a.withLedger(ctx, func(ledger *oprun.Ledger) error {
		js, conn, err := a.jetStream(ctx)
		if err != nil {
			return err
		}
		defer conn.Close()
		report, err := jobs.Audit(ctx, js, ledger, jobs.AuditConfig{
			Stream: topology.Stream, Consumer: topology.Consumer, Subjects: topology.Subjects, Types: c.Types,
			Range: events.Range{FromSeq: c.FromSeq, ToSeq: c.ToSeq, Since: c.Since.Time, Until: c.Until.Time},
			Grace: c.Grace, Limit: c.Limit, Twins: true,
		})
		if err != nil {
			return explainAudit(ctx, err)
		}
		if err := printAudit(a, report); err != nil {
			return err
		}
		return verdictOf(report)
	})
}

// explainAudit says what to type when the stream cannot be read.
func explainAudit(ctx context.Context, err error) error {
	if errors.Is(err, events.ErrNoDirectGet) {
		return &proc.Error{Code: proc.Failed, Err: err, Hint: "type: consumer topology apply --max-bytes <size>"}
	}
	return explainJetStream(ctx, err)
}

// verdictOf is the error of an audit that found something.
func verdictOf(report jobs.AuditReport) error {
	if report.Clean() {
		return nil
	}
	hint := "type: consumer runs show <run>, and consumer deadletters list"
	if report.Unaccounted > 0 {
		hint = fmt.Sprintf("type: nats stream get %s <seq>, and for what was not done: publisher replay --stream %[1]s --from-seq <seq> --to-seq <seq>", report.Stream)
	}
	return &proc.Error{
		Code: proc.Partial, Hint: hint,
		Err: fmt.Errorf("audit: %d messages unaccounted, %d doubled", report.Unaccounted, report.Doubled),
	}
}

var auditColumns = []column[jobs.AuditReport]{
	{"STREAM", func(r jobs.AuditReport) string { return r.Stream }},
	{"CONSUMER", func(r jobs.AuditReport) string { return r.Consumer }},
	{"RANGE", auditedRange},
	{"MESSAGES", func(r jobs.AuditReport) string { return strconv.Itoa(r.Messages) }},
	{"RUNS", func(r jobs.AuditReport) string { return strconv.Itoa(r.Runs) }},
	{"JOINED", func(r jobs.AuditReport) string { return strconv.Itoa(r.Joined) }},
	{"DEAD LETTERS", func(r jobs.AuditReport) string { return strconv.Itoa(r.DeadLetters) }},
	{"WAITING", func(r jobs.AuditReport) string { return strconv.Itoa(r.Waiting) }},
	{"UNACCOUNTED", func(r jobs.AuditReport) string { return strconv.Itoa(r.Unaccounted) }},
	{"DOUBLED", func(r jobs.AuditReport) string { return strconv.Itoa(r.Doubled) }},
}

func auditedRange(r jobs.AuditReport) string {
	if r.Messages == 0 {
		return "no messages"
	}
	return strconv.FormatUint(r.FirstSeq, 10) + " to " + strconv.FormatUint(r.LastSeq, 10)
}

var offenderColumns = []column[jobs.Offender]{
	{"PROBLEM", func(o jobs.Offender) string { return o.Problem }},
	{"SEQ", func(o jobs.Offender) string { return strconv.FormatUint(o.Seq, 10) }},
	{"STORED", func(o jobs.Offender) string { return moment(o.StoreTime) }},
	{"SUBJECT", func(o jobs.Offender) string { return o.Subject }},
	{"RUNS", func(o jobs.Offender) string { return spelled(o.RunIDs) }},
	{"DETAIL", func(o jobs.Offender) string { return o.Detail }},
}

// printAudit writes the counts and, in a table of their own, the offenders.
func printAudit(a *app, report jobs.AuditReport) error {
	if err := printOne(a, report, auditColumns); err != nil || a.Output != tableOutput || len(report.Offenders) == 0 {
		return err
	}
	fmt.Fprintln(a.out)
	return printTable(a.out, report.Offenders, offenderColumns)
}
