package events

import (
	"context"

	"github.com/nats-io/nats.go"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"oprun.example/pkg/dedupe"
)

// TracerName is the instrumentation scope of all spans of this module.
const TracerName = "oprun.example"

// TraceOf returns the trace context of the span in ctx, as the headers of a job spell it; "" when there is none.
func TraceOf(ctx context.Context) (parent, state string) {
	if !trace.SpanContextFromContext(ctx).IsValid() {
		return "", "" // before the carrier is made: this is the common case
	}
	var carried carrier
	propagation.TraceContext{}.Inject(ctx, &carried)
	return carried.parent, carried.state
}

// WithTrace returns a context whose spans are children of this trace context, or ctx itself when it is none.
func WithTrace(ctx context.Context, parent, state string) context.Context {
	if parent == "" {
		return ctx
	}
	return propagation.TraceContext{}.Extract(ctx, &carrier{parent, state})
}

// carrier holds the two headers of a trace context. Those of a message are not read through it: their case may be any.
type carrier struct{ parent, state string }

// Get returns a header.
func (c *carrier) Get(name string) string {
	switch name {
	case HeaderTraceParent:
		return c.parent
	case HeaderTraceState:
		return c.state
	default:
		return ""
	}
}

// Set keeps one of the two headers.
func (c *carrier) Set(name, value string) {
	switch name {
	case HeaderTraceParent:
		c.parent = value
	case HeaderTraceState:
		c.state = value
	}
}

// Keys returns the names of the headers.
func (c *carrier) Keys() []string { return []string{HeaderTraceParent, HeaderTraceState} }

// Template returns the subject of a type's jobs with {id} for whose they are: what a span is called by, since names of
// spans must be few.
func (s Subjects) Template(kind dedupe.ScopeKind, jobType string) string {
	return s.prefix() + "." + kind.String() + ".{id}." + jobType
}

// trace has a message carry the trace context of the caller's span, or with a tracer that of a span of its own, of the
// kind producer, which it returns. A request that names a trace context carries that, and the span is its child.
func (p *Publisher) trace(ctx context.Context, r *Request, msg *nats.Msg) trace.Span {
	if p.tracer == nil {
		if r.TraceParent == "" {
			carry(ctx, msg.Header)
		}
		return nil
	}
	template := p.config.Subjects.Template(r.Identity.Scope.Kind, r.Identity.Type)
	ctx, span := p.tracer.Start(WithTrace(ctx, r.TraceParent, r.TraceState), "publish "+template,
		trace.WithSpanKind(trace.SpanKindProducer), trace.WithAttributes(
			attribute.String("messaging.system", "nats"),
			attribute.String("messaging.operation.name", "publish"),
			attribute.String("messaging.operation.type", "send"),
			attribute.String("messaging.destination.name", msg.Subject),
			attribute.String("messaging.destination.template", template),
			attribute.String("messaging.message.id", msg.Header.Get(HeaderMsgID)),
			attribute.String("oprun.job_type", r.Identity.Type),
		))
	carry(ctx, msg.Header)
	return span
}

// carry writes the trace context of the span in ctx, if there is one, in place of another.
func carry(ctx context.Context, header nats.Header) {
	parent, state := TraceOf(ctx)
	if parent == "" {
		return
	}
	delete(header, HeaderTraceState)
	set(header, HeaderTraceParent, parent)
	set(header, HeaderTraceState, state)
}

// sent ends the span of a publication, once.
func (p *Pending) sent(err error) {
	if p.span == nil {
		return
	}
	if p.ack.Seq != 0 {
		p.span.SetAttributes(attribute.String("oprun.stream", p.ack.Stream), attribute.Int64("oprun.stream_seq", int64(p.ack.Seq)),
			attribute.Bool("oprun.suppressed", p.ack.Duplicate))
	}
	if err != nil {
		p.span.SetStatus(codes.Error, "not published")
	}
	p.span.End()
	p.span = nil
}
