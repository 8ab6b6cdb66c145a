package jobs

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"oprun.example/pkg/events"
	"oprun.example/pkg/oprun"
)

const producerTrace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

// aClaimed is an attempt as the worker makes it, of a job that tells its producer's trace.
func aClaimed() *attempt {
	d := &delivery{
		arrived: time.Now(), spec: &jobSpec{template: "jobs.tenant.{id}." + testType},
		job:     events.Job{Type: testType, TraceParent: producerTrace},
		message: events.Message{Subject: "jobs.tenant." + uuid.NewString() + "." + testType, Stream: "JOBS", Seq: 7},
	}
	a := &attempt{delivery: d, number: 1, hold: oprun.Hold{RunID: uuid.New()}}
	a.work = &Work{Type: testType, TraceParent: d.job.TraceParent, attempt: a}
	return a
}

// live is what tracing does in the life of an attempt.
func (t *tracing) live(ctx context.Context, a *attempt, batch []*attempt) {
	ctx = t.begin(ctx, a)
	_ = a.traced(ctx)
	a.returned()
	endGroup(t.group(batch), nil)
	a.endSpan(oprun.Succeeded, oprun.AttemptSucceeded)
}

// Who does not trace pays nothing.
func TestTracingOff_takes_no_memory(t *testing.T) { //nolint:paralleltest // it counts allocations, and those of others too
	off, a := newTracing(Config{}), aClaimed()
	ctx, batch := t.Context(), []*attempt{a}
	if n := testing.AllocsPerRun(100, func() { off.live(ctx, a, batch) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
	if n := testing.AllocsPerRun(100, func() { _ = asking(ctx).Context() }); n > 0 {
		t.Errorf("%v allocations of a dispatch", n)
	}
}

// A worker that makes no spans hands on what it was told, to handlers and logs, also of a run that it has queued again.
func TestTracingOff_hands_the_producers_trace_on(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	log := &lockedLog{}
	told := make(chan string, 2)
	s.publish(`{"key":"a"}`, func(r *events.Request) { r.TraceParent = producerTrace })
	s.start(handling(func(_ context.Context, job *Job[keyed]) error {
		told <- job.TraceParent
		if job.Attempt == 1 {
			return errBoom
		}
		return nil
	}), Config{Logger: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	s.settled(1)
	for range 2 {
		if got := <-told; got != producerTrace {
			t.Errorf("the handler was told %q", got)
		}
	}
	s.eventually("the log to tell the end", func() bool { return strings.Contains(log.String(), "run ended") })
	for line := range strings.Lines(log.String()) {
		ends := strings.Contains(line, "run ended") || strings.Contains(line, "run queued again")
		if ends && (!strings.Contains(line, "run.trace_id="+producerTrace[3:35]) || strings.Contains(line, "span_id")) {
			t.Error(line)
		}
	}
}

// A span in which somebody has started the worker is no job's parent.
func TestTheWorkersOwnTraceIsNoJobs(t *testing.T) {
	t.Parallel()
	worker := events.WithTrace(t.Context(), "00-99999999999999999999999999999999-9999999999999999-01", "")
	for _, parent := range []string{"", producerTrace} {
		a := aClaimed()
		a.job.TraceParent = parent
		ctx := newTracing(Config{TracerProvider: sdktrace.NewTracerProvider()}).begin(worker, a)
		span, ok := trace.SpanFromContext(ctx).(sdktrace.ReadOnlySpan)
		if !ok {
			t.Fatal("the handler's context has no span")
		}
		if got, _ := events.TraceOf(trace.ContextWithSpanContext(t.Context(), span.Parent())); got != parent {
			t.Errorf("the parent is %q, want %q", got, parent)
		}
	}
}

// What points to the trace of a retry points to its own.
func TestARetryIsPointedToByItsOwnTrace(t *testing.T) {
	t.Parallel()
	a := aClaimed()
	if got := a.traceParent(); got != producerTrace {
		t.Errorf("of a worker that makes no spans: %q", got)
	}
	a.number = 2
	newTracing(Config{TracerProvider: sdktrace.NewTracerProvider()}).begin(t.Context(), a)
	want := a.span.SpanContext().TraceID().String()
	if got := recordedTrace(a.traceParent()); got != want || got == producerTrace[3:35] {
		t.Errorf("got %s, want %s", got, want)
	}
}

// A message about an attempt carries its trace as a producer's would, and costs nothing when there is none.
func TestMessagesAboutAnAttemptCarryItsTrace(t *testing.T) {
	t.Parallel()
	want := nats.Header{"traceparent": {producerTrace}, "tracestate": {"vendor=1"}}
	if diff := cmp.Diff(want, (&Work{TraceParent: producerTrace, TraceState: "vendor=1"}).traceHeader()); diff != "" {
		t.Error(diff)
	}
	if got := (&Work{}).traceHeader(); got != nil {
		t.Errorf("got %v", got)
	}
	row := oprun.Run{Context: oprun.Trace{Parent: producerTrace, State: "vendor=1"}.Context()}
	if diff := cmp.Diff(want, rowHeader(row)); diff != "" {
		t.Errorf("of a run that ended without an attempt: %s", diff)
	}
	for _, context := range []string{"", `{}`, `{"traceparent": 7}`, `{"traceparent": "x\r\nOther: y"}`} {
		if got := rowHeader(oprun.Run{Context: []byte(context)}); got != nil {
			t.Errorf("of a row with %s: %v", context, got)
		}
	}
}

// BenchmarkTracing is what tracing adds to an attempt: nothing when it is off; a look at the sampler when this trace is
// not sampled; a span otherwise, which here goes nowhere.
func BenchmarkTracing(b *testing.B) {
	for name, config := range map[string]Config{
		"off":     {},
		"dropped": {TracerProvider: sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.NeverSample()))},
		"sampled": {TracerProvider: sdktrace.NewTracerProvider()},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			tracing, a := newTracing(config), aClaimed()
			ctx := b.Context()
			for b.Loop() {
				tracing.live(ctx, a, nil)
			}
		})
	}
}
