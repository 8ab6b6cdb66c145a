package bulk

import (
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"oprun.example/pkg/catalog"
	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
)

// Asked is one job as somebody asks for it, on a line or on a command line.
type Asked struct {
	Type      string
	Scope     dedupe.Scope
	Input     []byte    // one JSON object
	RunID     uuid.UUID // zero: the ledger has no run of it yet
	RequestID string    // empty: a new one is made, where one is needed
	Initiator string
	Coalesce  bool
}

// FieldError says which part of what was asked for is wrong. Field is named as on a line: "type", "request_id".
type FieldError struct {
	Field string
	Err   error
}

// Error names the field first.
func (e *FieldError) Error() string { return e.Field + ": " + e.Err.Error() }

// Unwrap returns Err.
func (e *FieldError) Unwrap() error { return e.Err }

func wrong(field, format string, args ...any) error {
	return &FieldError{field, fmt.Errorf(format, args...)}
}

// Request returns the job as a publisher takes it, or why a worker would bury it: a [*FieldError] or an [*events.Refusal].
// Job is what the catalogue says of its type.
func (a Asked) Request(job catalog.Job) (events.Request, error) {
	r := events.Request{RunID: a.RunID, RequestID: a.RequestID, Initiator: a.Initiator, Coalesce: a.Coalesce, Input: a.Input}
	r.Identity = dedupe.Identity{Scope: a.Scope, Type: a.Type}
	if err := errors.Join(events.ValidInput(a.Input), events.ValidSender(a.RequestID, a.Initiator), a.coalesces(job)); err != nil {
		return r, err
	}
	if a.RunID != uuid.Nil { // the row decides: its identity and its input stand
		return r, nil
	}
	if err := job.ValidateInput(a.Input); err != nil {
		return r, &FieldError{"input", err}
	}
	var err error
	if r.RequestID == "" && !a.Coalesce {
		// Before the identity: in mode request the id is a part of it.
		if r.RequestID, err = events.NewRequestID(); err != nil {
			return r, err
		}
	}
	if r.Identity, err = job.Rule().Identify(a.Scope, a.Type, a.Input, dedupe.ByRequest(r.RequestID, time.Time{})); err != nil {
		return r, &FieldError{"input", err}
	}
	return r, nil
}

func (a Asked) coalesces(job catalog.Job) error {
	switch {
	case a.Coalesce && a.RunID != uuid.Nil:
		return wrong("coalesce", "it is for jobs without a run id")
	case a.Coalesce && job.IdentityMode == dedupe.RequestMode:
		return wrong("coalesce", "each request of %s is a job of its own (identity_mode request)", a.Type)
	}
	return nil
}
