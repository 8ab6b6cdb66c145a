package main

import (
	"encoding/json"
	"fmt"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"

	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
)

// receipt is what there is to know of a published job.
type receipt struct {
	Result    string `json:"result"` // accepted, suppressed
	Subject   string `json:"subject"`
	Stream    string `json:"stream"`
	Seq       uint64 `json:"seq"` // of the message that was there before, when this one was suppressed
	RequestID string `json:"request_id,omitempty"`
	Duplicate bool   `json:"duplicate"`
	Tries     int    `json:"tries"`
	// RunID is the run of this request, unless it joins one of the same identity. It is not known of a request
	// without an id.
	RunID string `json:"run_id,omitempty"`
}

func receiptOf(request events.Request, ack events.Ack, subjects events.Subjects) receipt {
	scope, jobType := request.Identity.Scope, request.Identity.Type
	r := receipt{
		Result: "accepted", Subject: subjects.Subject(scope, jobType), Stream: ack.Stream, Seq: ack.Seq,
		RequestID: ack.RequestID, Duplicate: ack.Duplicate, Tries: ack.Tries,
	}
	if ack.Duplicate {
		r.Result = "suppressed"
	}
	switch {
	case request.RunID != uuid.Nil:
		r.RunID = request.RunID.String()
	case request.Coalesce && ack.Duplicate: // another's request runs
	case ack.RequestID != "":
		r.RunID = dedupe.ByRequest(ack.RequestID, time.Time{}).RunID(scope, jobType).String()
	}
	return r
}

// print writes the receipt as a table of one row, or as one JSON object.
func (a *app) print(r receipt) error {
	if a.Output == "table" {
		table := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, "RESULT\tSTREAM\tSEQ\tREQUEST ID\tRUN")
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", r.Result, r.Stream, strconv.FormatUint(r.Seq, 10), orDash(r.RequestID), orDash(r.RunID))
		return table.Flush()
	}
	return a.encode(r)
}

// encode writes one JSON object, on one line or on many.
func (a *app) encode(value any) error {
	encoder := json.NewEncoder(a.out)
	encoder.SetEscapeHTML(false)
	if a.Output == "json" {
		encoder.SetIndent("", "  ")
	}
	if err := encoder.Encode(value); err != nil {
		return fmt.Errorf("write json: %w", err)
	}
	return nil
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
