package main

import (
	"context"
	"os"

	"oprun.example/internal/otlp"
	"oprun.example/pkg/events"
)

// trace has the job belong to the trace of who calls this program, as TRACEPARENT tells it, and starts what makes spans,
// when the environment asks for them. The caller calls stop at its end.
func (a *app) trace(ctx context.Context) (traced context.Context, stop func(), err error) {
	a.tracer, stop, err = otlp.Start(ctx, "oprun-publisher", a.log)
	return events.WithTrace(ctx, os.Getenv("TRACEPARENT"), os.Getenv("TRACESTATE")), stop, err
}
