package jobs

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"oprun.example/pkg/events"
	"oprun.example/pkg/oprun"
)

// span starts the span of a dispatch, of the kind producer: the runs that it makes are its children, since their rows keep
// its context until they are published.
func (d *Dispatcher) span(ctx context.Context, jobType string) (context.Context, trace.Span) {
	if d.tracer == nil {
		return ctx, nil
	}
	return d.tracer.Start(ctx, "dispatch "+jobType, trace.WithSpanKind(trace.SpanKindProducer), trace.WithAttributes(
		attribute.String("messaging.system", "nats"),
		attribute.String("messaging.operation.name", "dispatch"),
		attribute.String("messaging.operation.type", "create"),
		attribute.String("oprun.job_type", jobType),
	))
}

// endDispatch ends it with what stands for the requests.
func endDispatch(span trace.Span, err error, made ...Dispatched) {
	if span == nil {
		return
	}
	switch {
	case err != nil:
		span.SetStatus(codes.Error, "not dispatched")
	case len(made) == 1:
		id := made[0].ID.String()
		span.SetAttributes(attribute.String("messaging.message.conversation_id", id), attribute.String("oprun.run_id", id),
			attribute.Bool("oprun.created", made[0].Created))
	default:
		span.SetAttributes(attribute.Int("messaging.batch.message_count", len(made)))
	}
	span.End()
}

// asking is the trace context of the span in which a run is asked for.
func asking(ctx context.Context) oprun.Trace {
	parent, state := events.TraceOf(ctx)
	return oprun.Trace{Parent: parent, State: state}
}
