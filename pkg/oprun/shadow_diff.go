package oprun

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"oprun.example/pkg/dedupe"
)

// LeftOut is why an outcome is not compared. The words are stable.
type LeftOut string

// What is left out.
const (
	LeftNothing    LeftOut = ""
	NotInLedger    LeftOut = "not_in_ledger"   // the ledger has no run, verdict or dead letter of it: it was deleted, or never came
	StillActive    LeftOut = "active"          // the ledger's run has not ended yet
	EndedByLedger  LeftOut = "ended_by_ledger" // no handler decided its end: it crashed, was stale, or its message was lost
	EndedByPeople  LeftOut = "cancelled"       // its cancellation was asked for
	ShadowRefused  LeftOut = "refused"         // the shadow does not run it: http, exec, built in, or it dispatches outside a transaction
	ShadowSnoozed  LeftOut = "snoozed"         // the handler put it off
	ShadowBrokeOff LeftOut = "unfinished"      // the shadow was stopped in the middle of it
)

// ShadowEnd is one side of a comparison.
type ShadowEnd struct {
	Verdict  string           `json:"verdict"`          // execute, duplicate, cooldown, rejected; empty: nothing is known
	Reason   string           `json:"reason,omitempty"` // of a rejection
	Owner    *uuid.UUID       `json:"owner,omitempty"`  // the run that stands for a duplicate
	Outcome  Outcome          `json:"outcome,omitempty"`
	Counts   map[string]int64 `json:"counts,omitempty"`
	Failures map[string]int64 `json:"failures,omitempty"` // how many of each code
	Error    string           `json:"error,omitempty"`    // the shadow's last attempt's own words
}

// ShadowDifference is a run, or a request that became none, of which the shadow makes something else than the ledger did.
type ShadowDifference struct {
	RunID    uuid.UUID `json:"run_id"`
	Scope    string    `json:"scope"`
	Type     string    `json:"job_type"`
	Stream   string    `json:"stream"`
	Sequence int64     `json:"sequence"`
	Time     time.Time `json:"time"`
	What     []string  `json:"what"` // verdict; or outcome, counts, failures
	Ledger   ShadowEnd `json:"ledger"`
	Shadow   ShadowEnd `json:"shadow"`
}

// ShadowTotal sums up a job type.
type ShadowTotal struct {
	Type      string          `json:"job_type"`
	Verdicts  int             `json:"verdicts"`  // compared
	Outcomes  int             `json:"outcomes"`  // compared, with counts and failure codes
	Different int             `json:"different"` // runs, whatever it is that differs
	LeftOut   map[LeftOut]int `json:"left_out"`  // runs whose outcome, or also verdict, is not compared
}

// ShadowReport is a shadow beside its ledger.
type ShadowReport struct {
	ShadowInfo
	Totals      []ShadowTotal      `json:"totals"`      // by type
	Different   int                `json:"different"`   // all of them
	Differences []ShadowDifference `json:"differences"` // the first of them, by run id, which is mostly that of time
}

// shadowPage is how many records are compared at once.
const shadowPage = 1000

// shadowRow is one row of page.sql.
type shadowRow struct {
	RunID     uuid.UUID        `db:"run_id"`
	Scope     string           `db:"scope"`
	Type      string           `db:"type"`
	Stream    string           `db:"stream"`
	Seq       int64            `db:"seq"`
	StoreTime time.Time        `db:"store_time"`
	Verdict   string           `db:"verdict"`
	Owner     *uuid.UUID       `db:"owner"`
	Reason    string           `db:"reason"`
	Detail    string           `db:"detail"`
	LeftOut   LeftOut          `db:"left_out"`
	Outcome   *Outcome         `db:"outcome"`
	Counts    map[string]int64 `db:"summary_counts"`
	Failures  []Failure        `db:"failure_summary"`
	Error     *string          `db:"error"`
}

// Diff compares what the shadow made of its records with what the ledger has of them now. At most limit differences are
// listed; all are counted. It changes nothing.
func (s *Shadow) Diff(ctx context.Context, limit int) (report ShadowReport, err error) {
	if report.ShadowInfo, err = s.About(ctx); err != nil {
		return report, err
	}
	report.Totals, report.Differences = []ShadowTotal{}, []ShadowDifference{}
	totals := make(map[string]*ShadowTotal)
	for after := uuid.Nil; ; {
		rows, err := s.ledger.db.Query(ctx, s.ledger.in(shadowPageSQL), after, shadowPage)
		if err != nil {
			return report, fmt.Errorf("read shadow %s: %w", s.Name, err)
		}
		page, err := pgx.CollectRows(rows, pgx.RowToStructByName[shadowRow])
		if err != nil {
			return report, fmt.Errorf("read shadow %s: %w", s.Name, err)
		}
		if len(page) == 0 {
			break
		}
		after = page[len(page)-1].RunID
		if err := s.comparePage(ctx, page, totals, &report, limit); err != nil {
			return report, err
		}
	}
	for _, jobType := range slices.Sorted(maps.Keys(totals)) {
		report.Totals = append(report.Totals, *totals[jobType])
	}
	return report, nil
}

func (s *Shadow) comparePage(ctx context.Context, page []shadowRow, totals map[string]*ShadowTotal, report *ShadowReport, limit int) error {
	ids, places := make([]uuid.UUID, len(page)), make([]Place, len(page))
	for i, row := range page {
		ids[i], places[i] = row.RunID, Place{row.RunID, row.Stream, uint64(row.Seq), row.StoreTime}
	}
	judged, err := s.real.Verdicts(ctx, places)
	if err != nil {
		return err
	}
	runs, err := s.real.RunsByID(ctx, ids)
	if err != nil {
		return err
	}
	byID := make(map[uuid.UUID]*Run, len(runs))
	for i := range runs {
		byID[runs[i].ID] = &runs[i]
	}
	for i, row := range page {
		total := totals[row.Type]
		if total == nil {
			total = &ShadowTotal{Type: row.Type, LeftOut: map[LeftOut]int{}}
			totals[row.Type] = total
		}
		different := row.compare(byID[row.RunID], judged[i], total)
		if different == nil {
			continue
		}
		total.Different++
		report.Different++
		if len(report.Differences) < limit {
			report.Differences = append(report.Differences, *different)
		}
	}
	return nil
}

// compare returns in what a record differs, or nil.
func (row *shadowRow) compare(run *Run, judged Judged, total *ShadowTotal) *ShadowDifference {
	d := &ShadowDifference{
		RunID: row.RunID, Scope: row.Scope, Type: row.Type, Stream: row.Stream, Sequence: row.Seq, Time: row.StoreTime,
		Ledger: row.ledgerEnd(run, judged), Shadow: row.shadowEnd(),
	}
	switch {
	case d.Ledger.Verdict == "":
		total.LeftOut[NotInLedger]++
		return nil
	case d.Ledger.Verdict != d.Shadow.Verdict || d.Ledger.Reason != d.Shadow.Reason:
		total.Verdicts++
		d.What = []string{"verdict"}
		return d
	}
	total.Verdicts++
	if row.Verdict != dedupe.Execute.String() {
		return nil
	}
	if why := cmp.Or(row.leftOut(), leftOutBy(run)); why != LeftNothing {
		total.LeftOut[why]++
		return nil
	}
	total.Outcomes++
	if d.What = d.Ledger.unlike(d.Shadow); d.What == nil {
		return nil
	}
	return d
}

// leftOut is why the shadow has no outcome to be compared.
func (row *shadowRow) leftOut() LeftOut {
	if row.LeftOut == LeftNothing && row.Outcome == nil {
		return ShadowBrokeOff
	}
	return row.LeftOut
}

// leftOutBy is why the ledger has none that a handler decided.
func leftOutBy(run *Run) LeftOut {
	var about map[string]json.RawMessage
	_ = json.Unmarshal(run.Context, &about)
	switch _, reconciled := about["reconciliation"]; {
	case run.CompletedAt == nil:
		return StillActive
	case run.Outcome == Cancelled && run.CancelRequestedAt != nil:
		return EndedByPeople
	case reconciled, len(run.FailureSummary) > 0 && strings.HasPrefix(run.FailureSummary[0].Code, "run."):
		return EndedByLedger
	default:
		return LeftNothing
	}
}

// ledgerEnd is what the ledger made of the record.
func (row *shadowRow) ledgerEnd(run *Run, judged Judged) ShadowEnd {
	switch {
	case run != nil && run.Type == row.Type && run.Scope().String() == row.Scope:
		end := ShadowEnd{Verdict: dedupe.Execute.String(), Outcome: run.Outcome, Counts: run.SummaryCounts}
		end.Failures = codes(run.FailureSummary)
		return end
	case judged.Verdict == 0:
		return ShadowEnd{}
	case judged.Verdict == dedupe.Rejected:
		return ShadowEnd{Verdict: judged.Verdict.String(), Reason: judged.Reason}
	default:
		return ShadowEnd{Verdict: judged.Verdict.String(), Owner: &judged.RunID}
	}
}

func (row *shadowRow) shadowEnd() ShadowEnd {
	end := ShadowEnd{Verdict: row.Verdict, Reason: row.Reason, Owner: row.Owner, Counts: row.Counts, Failures: codes(row.Failures), Error: row.Detail}
	if row.Outcome != nil {
		end.Outcome = *row.Outcome
	}
	if row.Error != nil {
		end.Error = *row.Error
	}
	return end
}

// unlike names what differs between two ends of a run.
func (e ShadowEnd) unlike(other ShadowEnd) (what []string) {
	if e.Outcome != other.Outcome {
		what = append(what, "outcome")
	}
	if !maps.Equal(e.Counts, other.Counts) {
		what = append(what, "counts")
	}
	if !maps.Equal(e.Failures, other.Failures) {
		what = append(what, "failures")
	}
	return what
}

// codes counts failures by code.
func codes(failures []Failure) map[string]int64 {
	counted := make(map[string]int64, len(failures))
	for _, f := range failures {
		counted[f.Code] += f.Count
	}
	return counted
}
