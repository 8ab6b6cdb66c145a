package oprun

import "encoding/json"

// Trace is the W3C trace context in which a run was asked for, or its first attempt's when nobody told one. It is not
// checked here. A run's row keeps it in its context, under the names of the headers, and only when the run is published
// from the row: a run that is asked for ledger-first, waits, is parked, or is tried again. A message that runs at once
// keeps its own.
type Trace struct {
	Parent string // "" is none
	State  string
}

// Context returns the trace as a run's context keeps it ([Request].Context); nil when there is none.
func (t Trace) Context() json.RawMessage { return t.context("") }

// context is the trace and where the run was replayed from, either of which may be missing.
func (t Trace) context(replayedFrom string) json.RawMessage {
	if t.Parent == "" && replayedFrom == "" {
		return nil
	}
	kept := struct {
		Parent       string `json:"traceparent,omitempty"`
		State        string `json:"tracestate,omitempty"`
		ReplayedFrom string `json:"replayed_from,omitempty"`
	}{t.Parent, t.State, replayedFrom}
	if t.Parent == "" {
		kept.State = ""
	}
	text, err := json.Marshal(kept)
	if err != nil {
		return nil // three texts always can
	}
	return text
}
