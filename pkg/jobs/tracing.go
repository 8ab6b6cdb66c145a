package jobs

import (
	"context"
	"encoding/json"
	"strconv"

	"github.com/nats-io/nats.go"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"oprun.example/pkg/events"
	"oprun.example/pkg/oprun"
)

// tracing makes the spans of a worker's attempts (docs/tracing.md). Nil makes none: then nothing is done, and no memory
// taken, for any job.
type tracing struct {
	tracer trace.Tracer
	common []attribute.KeyValue // of the spans of all attempts
}

// attemptSpan is the span of an attempt, from its turn until the ledger has taken its end. It lies behind a pointer so that
// it makes the attempts of others no larger.
type attemptSpan struct {
	trace.Span
	parent string // what it is as a traceparent
}

func newTracing(c Config) *tracing {
	if c.TracerProvider == nil {
		return nil
	}
	return &tracing{c.TracerProvider.Tracer(events.TracerName), []attribute.KeyValue{
		attribute.String("messaging.system", "nats"),
		attribute.String("messaging.operation.name", "process"),
		attribute.String("messaging.operation.type", "process"),
		attribute.String("messaging.consumer.group.name", c.Consumer),
	}}
}

// begin starts the span of an attempt, which reaches back to the arrival of its message, and returns the context in which
// the handler's own spans are its children. A first attempt is a child of what the message tells of its producer. A later
// one, which may come hours after it, is a trace of its own, and linked to that.
func (t *tracing) begin(ctx context.Context, a *attempt) context.Context {
	if t == nil {
		return ctx
	}
	options := append(make([]trace.SpanStartOption, 0, 5),
		trace.WithSpanKind(trace.SpanKindConsumer), trace.WithTimestamp(a.arrived), trace.WithAttributes(t.attributes(a)...))
	nobodys := trace.ContextWithSpanContext(ctx, trace.SpanContext{}) // a span in which the worker was started is no job's parent
	asked := events.WithTrace(nobodys, a.job.TraceParent, a.job.TraceState)
	if producer := trace.SpanContextFromContext(asked); producer.IsValid() && a.number > 1 {
		options = append(options, trace.WithNewRoot(), trace.WithLinks(trace.Link{SpanContext: producer}))
	}
	ctx, span := t.tracer.Start(asked, "process "+a.spec.template, options...)
	span.AddEvent("claimed")
	a.work.TraceParent, a.work.TraceState = events.TraceOf(ctx)
	a.span = &attemptSpan{span, a.work.TraceParent}
	return ctx
}

// attributes are those that a sampler may look at.
func (t *tracing) attributes(a *attempt) []attribute.KeyValue {
	runID := a.hold.RunID.String()
	return append(append(make([]attribute.KeyValue, 0, 16), t.common...),
		attribute.String("messaging.destination.name", a.message.Subject),
		attribute.String("messaging.destination.template", a.spec.template),
		attribute.String("messaging.message.id", a.messageID()),
		attribute.String("messaging.message.conversation_id", runID),
		attribute.String("oprun.run_id", runID),
		attribute.String("oprun.job_type", a.job.Type),
		attribute.Int("oprun.attempt", a.number),
	)
}

// messageID is the broker's id of the message, else its place.
func (d *delivery) messageID() string {
	if id := d.message.Header[events.HeaderMsgID]; len(id) > 0 && id[0] != "" {
		return id[0]
	}
	return d.message.Stream + "/" + strconv.FormatUint(d.message.Seq, 10)
}

// returned notes that the handler has.
func (a *attempt) returned() {
	if a.span != nil {
		a.span.AddEvent("handler returned")
	}
}

// traced returns a context in which spans are children of the attempt's.
func (a *attempt) traced(ctx context.Context) context.Context {
	if a.span == nil {
		return ctx
	}
	return inSpan(ctx, a.span.Span)
}

func inSpan(ctx context.Context, span trace.Span) context.Context {
	if span == nil {
		return ctx
	}
	return trace.ContextWithSpan(ctx, span)
}

// endSpan ends the attempt's span with what the ledger says of the run and of the attempt; either may be unknown. An
// error's text is not in it: it may hold what the input held.
func (a *attempt) endSpan(outcome oprun.Outcome, result oprun.AttemptResult) {
	if a.span == nil {
		return
	}
	if outcome != "" {
		a.span.SetAttributes(attribute.String("oprun.outcome", string(outcome)))
	}
	if result != "" {
		a.span.SetAttributes(attribute.String("oprun.attempt.result", string(result)))
	}
	if failure := a.failureCode(outcome, result); failure != "" {
		a.span.SetAttributes(attribute.String("error.type", failure))
		a.span.SetStatus(codes.Error, failure)
	}
	a.span.End()
}

// failureCode is what went wrong, "" when nothing did.
func (a *attempt) failureCode(outcome oprun.Outcome, result oprun.AttemptResult) string {
	switch {
	case result == oprun.AttemptFenced:
		return string(result)
	case outcome == oprun.Succeeded, outcome == oprun.PartiallySucceeded:
		return ""
	case outcome == "":
		return "result_not_taken"
	default:
		return a.end.failure.Code
	}
}

// origin is the trace context that a run keeps while it waits to be tried again: the producer's, else this attempt's.
func (a *attempt) origin() oprun.Trace {
	if a.job.TraceParent != "" {
		return traceOf(&a.job)
	}
	return oprun.Trace{Parent: a.work.TraceParent, State: a.work.TraceState}
}

// traceOf is what a message tells of its producer.
func traceOf(job *events.Job) oprun.Trace {
	return oprun.Trace{Parent: job.TraceParent, State: job.TraceState}
}

// traceIDs are the ids of the trace to which the attempt belongs and of its own span; "" when there is none.
func (w *Work) traceIDs() (traceID, spanID string) {
	const version, trace, span = len("00-"), 32, 16
	if len(w.TraceParent) < version+trace+len("-")+span {
		return "", ""
	}
	traceID = w.TraceParent[version:][:trace]
	if w.attempt != nil && w.attempt.span != nil { // else it is the producer's
		spanID = w.TraceParent[version+trace+len("-"):][:span]
	}
	return traceID, spanID
}

// traceParent is the trace to which the attempt belongs: its span's, else the producer's, or "".
func (a *attempt) traceParent() string {
	if a.span != nil {
		return a.span.parent
	}
	return a.job.TraceParent
}

// traceHeader is what a message about the attempt carries of its trace, the event of its run's end for one; nil when there
// is none.
func (w *Work) traceHeader() nats.Header { return headerOf(w.TraceParent, w.TraceState) }

// rowHeader is the same of a run that ended without an attempt here, as far as its row knows.
func rowHeader(run oprun.Run) nats.Header {
	var kept struct {
		Parent string `json:"traceparent"`
		State  string `json:"tracestate"`
	}
	if json.Unmarshal(run.Context, &kept) != nil { // the context may be the user's, who can keep there what they like
		return nil
	}
	return headerOf(events.TraceOf(events.WithTrace(context.Background(), kept.Parent, kept.State)))
}

func headerOf(parent, state string) nats.Header {
	if parent == "" {
		return nil
	}
	header := nats.Header{events.HeaderTraceParent: {parent}}
	if state != "" {
		header[events.HeaderTraceState] = []string{state}
	}
	return header
}

// group starts the span of a transaction in which the statements that many jobs have queued are carried out. It belongs
// to none of their traces, and so is linked with all of them, to and fro. Nil: nobody traces these jobs.
func (t *tracing) group(batch []*attempt) trace.Span {
	if t == nil {
		return nil
	}
	links := make([]trace.Link, 0, len(batch))
	for _, a := range batch {
		if job := a.span.SpanContext(); job.IsSampled() {
			links = append(links, trace.Link{SpanContext: job})
		}
	}
	if len(links) == 0 {
		return nil
	}
	_, span := t.tracer.Start(context.Background(), "effects", trace.WithLinks(links...),
		trace.WithAttributes(attribute.Int("messaging.batch.message_count", len(batch))))
	for _, a := range batch {
		a.span.AddLink(trace.Link{SpanContext: span.SpanContext()})
	}
	return span
}

// endGroup ends it.
func endGroup(span trace.Span, err error) {
	if span == nil {
		return
	}
	if err != nil {
		span.SetStatus(codes.Error, "not carried out")
	}
	span.End()
}
