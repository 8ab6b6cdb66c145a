package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Mux holds the handlers of a worker, by job type. The zero value is ready; fill it before the worker starts.
type Mux struct {
	handlers map[string]*handler
}

// handler runs one attempt of a type. It is free of the type's arguments.
type handler struct {
	run   func(ctx context.Context, work *Work) error
	slots chan struct{} // one token a running attempt; nil: no limit of its own
}

// Job is one attempt of a job whose input is a T.
type Job[T any] struct {
	*Work
	Args T // the input, decoded by encoding/json; a json.RawMessage is the input itself
}

// Handle registers the handler of a job type. The handler may be called for many jobs at once. Its context ends
// when the job's time is up, its lease is lost, its cancellation was asked for or the worker gives up draining;
// context.Cause tells which. When the time is up the context's error is context.DeadlineExceeded; contexts that the
// handler has made from it end with context.Canceled, and the cause ErrTimedOut. An input that does not decode into a T
// ends the run as failed, with the code input.invalid. A second handler for a type panics, as do a nil one and an empty
// type.
func Handle[T any](mux *Mux, jobType string, handle func(ctx context.Context, job *Job[T]) error) {
	if handle == nil || jobType == "" {
		panic("jobs: Handle needs a type and a handler")
	}
	mux.add(jobType, func(ctx context.Context, work *Work) error {
		job := &Job[T]{Work: work}
		if raw, ok := any(&job.Args).(*json.RawMessage); ok {
			*raw = work.Input
		} else if err := json.Unmarshal(work.Input, &job.Args); err != nil {
			return &verdictError{kind: failForGood, code: "input.invalid", err: undecodable(err)}
		}
		return handle(ctx, job)
	})
}

// undecodable says why an input does not decode, without the decoder's own words: they may quote it.
func undecodable(err error) error {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		kind, _, _ := strings.Cut(wrong.Value, " ") // of a number its value follows
		return fmt.Errorf("decode input: field %q: a JSON %s does not fit into %s", wrong.Field, kind, wrong.Type)
	}
	return fmt.Errorf("decode input: the type of a field refuses its value (%T)", err)
}

func (m *Mux) add(jobType string, run func(context.Context, *Work) error) {
	if m.handlers == nil {
		m.handlers = make(map[string]*handler)
	}
	if m.handlers[jobType] != nil {
		panic("jobs: two handlers for " + jobType)
	}
	m.handlers[jobType] = &handler{run: run}
}

// Limit bounds how many attempts of a type run at once in this process; further ones wait, claimed and beating.
// The type must have a handler, and n must be positive.
func (m *Mux) Limit(jobType string, n int) {
	h := m.handlers[jobType]
	if h == nil || n < 1 {
		panic(fmt.Sprintf("jobs: limit %d for type %q", n, jobType))
	}
	h.slots = make(chan struct{}, n)
}

// Types returns the types that have a handler, sorted.
func (m *Mux) Types() []string { return slices.Sorted(maps.Keys(m.handlers)) }
