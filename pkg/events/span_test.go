package events

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"oprun.example/pkg/dedupe"
)

// spans is a provider that keeps every span.
func spans() (*tracetest.InMemoryExporter, *sdktrace.TracerProvider) {
	kept := tracetest.NewInMemoryExporter()
	return kept, sdktrace.NewTracerProvider(sdktrace.WithSyncer(kept))
}

func TestTrace_is_read_as_it_was_written(t *testing.T) {
	t.Parallel()
	gotParent, gotState := TraceOf(WithTrace(t.Context(), parent, state))
	if gotParent != parent || gotState != state {
		t.Errorf("got %q and %q", gotParent, gotState)
	}
	for _, none := range []string{"", "x", "00-" + parent} {
		if ctx := WithTrace(t.Context(), none, state); ctx != t.Context() {
			t.Errorf("%q is no trace context", none)
		}
	}
}

func TestTrace_of_nobody_takes_no_memory(t *testing.T) { //nolint:paralleltest // it counts allocations, and those of others too
	ctx := t.Context()
	if n := testing.AllocsPerRun(100, func() { TraceOf(WithTrace(ctx, "", "")) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// What a job carries of its producer's trace does not depend on who makes spans.
func TestPublish_carries_the_trace_of_the_caller(t *testing.T) {
	t.Parallel()
	js := newStream(t)
	publisher := NewPublisher(js, PublisherConfig{})
	for name, test := range map[string]struct {
		caller              string
		request             Request
		wantParent, wantSay string
	}{
		"of_its_span":                 {parent, Request{}, parent, state},
		"of_none":                     {"", Request{}, "", ""},
		"that_the_request_names":      {parent, Request{TraceParent: "01" + parent[2:]}, "01" + parent[2:], ""},
		"of_none_that_can_be_read":    {parent, Request{TraceParent: "not valid"}, "", ""},
		"of_a_run_that_the_row_knows": {"", Request{RunID: runUUID, TraceParent: parent, TraceState: state}, parent, state},
	} {
		test.request.Identity, test.request.Input, test.request.MsgID = identity(t), []byte(`{}`), name
		if _, err := publisher.Publish(WithTrace(deadline(t), test.caller, state), test.request); err != nil {
			t.Fatal(err)
		}
		job, err := Codec{}.Decode(next(t, js))
		if err != nil {
			t.Fatal(err)
		}
		if job.TraceParent != test.wantParent || job.TraceState != test.wantSay {
			t.Errorf("%s: got %q and %q", name, job.TraceParent, job.TraceState)
		}
	}
}

func TestPublish_makes_a_producer_span(t *testing.T) {
	t.Parallel()
	js := newStream(t)
	kept, provider := spans()
	publisher := NewPublisher(js, PublisherConfig{TracerProvider: provider})
	request := Request{Identity: identity(t), Input: []byte(`{}`), MsgID: "mine"}
	if _, err := publisher.Publish(WithTrace(deadline(t), parent, state), request); err != nil {
		t.Fatal(err)
	}
	job, err := Codec{}.Decode(next(t, js))
	if err != nil {
		t.Fatal(err)
	}
	ended := kept.GetSpans()
	if len(ended) != 1 {
		t.Fatalf("%d spans", len(ended))
	}
	span := ended[0]
	carried := trace.SpanContextFromContext(WithTrace(t.Context(), job.TraceParent, job.TraceState))
	if carried.SpanID() != span.SpanContext.SpanID() || carried.TraceID().String() != parent[3:35] || job.TraceState != state {
		t.Errorf("the job carries %v, and the span is %v", carried, span.SpanContext)
	}
	if span.Name != "publish jobs.tenant.{id}.assignments.fetch" || span.SpanKind != trace.SpanKindProducer || span.Parent.SpanID().String() != parent[36:52] {
		t.Errorf("the span is %s, %s, child of %s", span.Name, span.SpanKind, span.Parent.SpanID())
	}
	want := map[attribute.Key]any{
		"messaging.system": "nats", "messaging.operation.name": "publish", "messaging.operation.type": "send",
		"messaging.destination.name":     Subjects{}.Subject(tenant, fetchType),
		"messaging.destination.template": "jobs.tenant.{id}.assignments.fetch",
		"messaging.message.id":           "mine", "oprun.job_type": fetchType,
		"oprun.stream": "JOBS", "oprun.stream_seq": int64(1), "oprun.suppressed": false,
	}
	got := map[attribute.Key]any{}
	for _, a := range span.Attributes {
		got[a.Key] = a.Value.AsInterface()
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestPublish_ends_the_span_of_what_fails(t *testing.T) {
	t.Parallel()
	js := newJetStream(t) // without a stream
	kept, provider := spans()
	publisher := NewPublisher(js, PublisherConfig{TracerProvider: provider, Tries: 1})
	request := Request{Identity: identity(t), Input: []byte(`{}`)}
	if _, err := publisher.Publish(deadline(t), request); !errors.Is(err, ErrNoStream) {
		t.Fatal(err)
	}
	gone, cancel := context.WithCancel(deadline(t))
	cancel()
	if _, err := publisher.Publish(gone, request); err == nil {
		t.Fatal("published without time")
	}
	ended := kept.GetSpans()
	if len(ended) != 2 || ended[0].Status.Code != codes.Error || ended[1].Status.Code != codes.Error {
		t.Errorf("got %v", ended)
	}
	request.Input = []byte(`[]`)
	if _, err := publisher.Publish(deadline(t), request); err == nil || len(kept.GetSpans()) != 2 {
		t.Errorf("what is refused before it is sent has no span: %v, %v", err, kept.GetSpans())
	}
}

// However a batch is taken, each of its jobs has one span, which has ended and tells where the job is.
func TestPublishBatch_makes_a_span_of_each_job(t *testing.T) {
	t.Parallel()
	js := newStream(t)
	kept, provider := spans()
	publisher := NewPublisher(js, PublisherConfig{TracerProvider: provider})
	for _, first := range []int{0, 2} { // the second batch has a job of the first, and goes one by one
		if _, err := sendBatch(t, publisher, numbered(t, first, 3)).Wait(deadline(t)); err != nil {
			t.Fatal(err)
		}
	}
	suppressed := 0
	for _, span := range kept.GetSpans() {
		told := attribute.NewSet(span.Attributes...)
		if seq, ok := told.Value("oprun.stream_seq"); !ok || seq.AsInt64() < 1 || span.Status.Code == codes.Error {
			t.Errorf("got %+v, %+v", span.Attributes, span.Status)
		}
		if again, _ := told.Value("oprun.suppressed"); again.AsBool() {
			suppressed++
		}
	}
	if n := len(kept.GetSpans()); n != 6 || suppressed != 1 {
		t.Errorf("%d spans, %d suppressed", n, suppressed)
	}
}

func TestTemplate_is_the_subject_without_whose_it_is(t *testing.T) {
	t.Parallel()
	got := Subjects{Prefix: "work.eu"}.Template(dedupe.WorkspaceScope, "ops.sweep")
	if got != "work.eu.workspace.{id}.ops.sweep" {
		t.Error(got)
	}
}
