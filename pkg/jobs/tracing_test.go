package jobs

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
)

const (
	processName = "process jobs.tenant.{id}." + testType
	publishName = "publish jobs.tenant.{id}." + testType
)

// Whoever finds a request in the traces finds what came of it: its first attempt, and by links all others, which the
// ledger has queued again.
func TestTraceOfAJobFromEndToEnd(t *testing.T) {
	t.Parallel()
	s := newTraced(t)
	ctx, asking := s.start(t.Context(), "request")
	request := s.request(`{"key":"a"}`)
	ack := must(s.publisher.Publish(ctx, request))(t)
	asking.End()
	id := runOf(request, ack)
	told := s.listen()
	s.work(1, func(ctx context.Context, job *Job[keyed]) error {
		ctx, span := s.start(ctx, "handler")
		defer span.End()
		if job.Attempt == 1 {
			return errBoom
		}
		return job.Commit(ctx, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, "insert into effects values ($1, $2)", job.RunID, job.Attempt)
			return err
		})
	})
	s.wantOneEffectEach(id)

	publish, attempts, handlers := s.only(publishName), s.named(processName), s.named("handler")
	if len(attempts) != 2 || len(handlers) != 2 {
		t.Fatalf("%d attempts and %d handlers", len(attempts), len(handlers))
	}
	wantChild(t, publish, s.only("request"))
	wantChild(t, attempts[0], publish)
	wantLinked(t, attempts[1], publish)
	for i, handler := range handlers {
		wantChild(t, handler, attempts[i])
	}
	// Of the statements those of the handler's transaction are traced, the end of the run among them; claims are nobody's.
	effects, ends := s.statements("insert into effects"), s.statements("claim_token")
	if len(effects) == 0 || len(ends) == 0 {
		t.Errorf("%d effects and %d ends were traced", len(effects), len(ends))
	}
	for _, span := range append(effects, ends...) {
		if span.SpanContext.TraceID() != handlers[1].SpanContext.TraceID() {
			t.Errorf("%v is in another trace than its handler", attributesOf(span))
		}
	}
	s.wantFirstAttempt(attempts[0], request, id)
	if got := attributesOf(attempts[1]); got["oprun.attempt"] != int64(2) || got["oprun.outcome"] != "succeeded" || attempts[1].Status.Code != codes.Unset {
		t.Errorf("the second attempt is %v, %v", got, attempts[1].Status)
	}
	s.eventually("the event", func() bool { return len(told.of(id)) > 0 })
	if got, want := told.of(id)[0].Header.Get(events.HeaderTraceParent), attempts[1].SpanContext; !strings.HasPrefix(got, "00-"+want.TraceID().String()+"-"+want.SpanID().String()+"-") {
		t.Errorf("the event of the end carries %q, want %v", got, want)
	}
	s.wantLogged("run queued again", attempts[0])
	s.wantLogged("run ended", attempts[1])
}

func (s *traced) wantFirstAttempt(span tracetest.SpanStub, request events.Request, id uuid.UUID) {
	s.t.Helper()
	want := map[attribute.Key]any{
		"messaging.system": "nats", "messaging.operation.name": "process", "messaging.operation.type": "process",
		"messaging.destination.name":        events.Subjects{}.Subject(request.Identity.Scope, testType),
		"messaging.destination.template":    "jobs.tenant.{id}." + testType,
		"messaging.consumer.group.name":     "oprun",
		"messaging.message.id":              request.MsgID,
		"messaging.message.conversation_id": id.String(),
		"oprun.run_id":                      id.String(),
		"oprun.job_type":                    testType,
		"oprun.attempt":                     int64(1),
		"oprun.attempt.result":              "failed",
		"oprun.outcome":                     "pending",
		"error.type":                        "handler.error",
	}
	if diff := cmp.Diff(want, attributesOf(span)); diff != "" {
		s.t.Error(diff)
	}
	if span.SpanKind != trace.SpanKindConsumer || span.Status != (sdktrace.Status{Code: codes.Error, Description: "handler.error"}) {
		s.t.Errorf("it is a %s span that ended with %v", span.SpanKind, span.Status)
	}
	var noted []string
	for _, e := range span.Events {
		noted = append(noted, e.Name)
	}
	if diff := cmp.Diff([]string{"claimed", "handler returned"}, noted); diff != "" {
		s.t.Error(diff)
	}
}

// wantLogged fails the test unless a line of this message names the span and its trace.
func (s *traced) wantLogged(message string, span tracetest.SpanStub) {
	s.t.Helper()
	ids := "run.trace_id=" + span.SpanContext.TraceID().String() + " run.span_id=" + span.SpanContext.SpanID().String()
	for line := range strings.Lines(s.log.String()) {
		if strings.Contains(line, message) && strings.Contains(line, ids) {
			return
		}
	}
	s.t.Errorf("no line says %q of %s:\n%s", message, ids, s.log)
}

// The row keeps in whose trace a run was asked for until it is published, and no longer tells it than that.
func TestTraceOfADispatchedRun(t *testing.T) {
	t.Parallel()
	s := newTraced(t)
	d := NewDispatcher(s.ledger, s.catalog, s.conn, DispatcherConfig{TracerProvider: s.provider})
	ctx, asking := s.start(t.Context(), "request")
	run := must(d.Dispatch(ctx, dedupe.Tenant(s.tenant), testType, keyed{"a"}))(t)
	must(d.DispatchMany(ctx, dedupe.Tenant(s.tenant), testType, keyed{"b"}, keyed{"c"}))(t)
	asking.End()
	s.work(3, func(context.Context, *Job[keyed]) error { return nil })

	dispatches, attempts := s.named("dispatch "+testType), s.named(processName)
	if len(dispatches) != 2 || len(attempts) != 3 {
		t.Fatalf("%d dispatches and %d attempts", len(dispatches), len(attempts))
	}
	for _, span := range dispatches {
		wantChild(t, span, s.only("request"))
	}
	for _, span := range attempts {
		if attributesOf(span)["oprun.run_id"] == run.ID.String() {
			wantChild(t, span, dispatches[0])
		} else {
			wantChild(t, span, dispatches[1])
		}
	}
	if got := attributesOf(dispatches[0]); got["oprun.run_id"] != run.ID.String() || got["oprun.created"] != true {
		t.Errorf("the dispatch tells %v", got)
	}
}

// A caller's span is enough: the dispatcher and the publisher need not make any.
func TestTraceOfACallerWhoMakesTheSpans(t *testing.T) {
	t.Parallel()
	s := newTraced(t)
	s.publisher = events.NewPublisher(s.js, events.PublisherConfig{})
	ctx, asking := s.start(t.Context(), "request")
	must(s.dispatcher().Dispatch(ctx, dedupe.Tenant(s.tenant), testType, keyed{"a"}))(t)
	must(s.publisher.Publish(ctx, s.request(`{"key":"b"}`)))(t)
	asking.End()
	s.work(2, func(context.Context, *Job[keyed]) error { return nil })
	for _, span := range s.named(processName) {
		wantChild(t, span, s.only("request"))
	}
}

// A job of which nobody tells a trace begins one, and its later attempts are linked with the first.
func TestTraceOfAJobWithoutAProducersTrace(t *testing.T) {
	t.Parallel()
	s := newTraced(t)
	s.publisher = events.NewPublisher(s.js, events.PublisherConfig{})
	s.publish(`{"key":"a"}`)
	s.work(1, func(_ context.Context, job *Job[keyed]) error {
		if job.Attempt < 3 {
			return errBoom
		}
		return nil
	})
	attempts := s.named(processName)
	if len(attempts) != 3 || attempts[0].Parent.IsValid() || len(attempts[0].Links) > 0 {
		t.Fatalf("got %v", attempts)
	}
	wantLinked(t, attempts[1], attempts[0])
	wantLinked(t, attempts[2], attempts[0])
}

// Statements that many jobs have queued share a transaction, which is in none of their traces and linked with all.
func TestTraceOfQueuedStatements(t *testing.T) {
	t.Parallel()
	s := newTraced(t)
	runs := s.publishAll(keys(20))
	s.work(len(runs), func(_ context.Context, job *Job[keyed]) error {
		queueEffect(job)
		return nil
	})
	s.wantOneEffectEach(runs...)
	groups := map[trace.SpanID]tracetest.SpanStub{}
	linked := 0
	for _, group := range s.named("effects") {
		groups[group.SpanContext.SpanID()] = group
		linked += len(group.Links)
	}
	if linked != len(runs) {
		t.Errorf("%d groups are linked with %d attempts, want %d", len(groups), linked, len(runs))
	}
	for _, attempt := range s.named(processName) {
		if len(attempt.Links) != 1 {
			t.Fatalf("links %v", attempt.Links)
		}
		if _, ok := groups[attempt.Links[0].SpanContext.SpanID()]; !ok {
			t.Errorf("an attempt is linked with what is no group")
		}
	}
	if len(s.statements("effects")) != 0 {
		t.Error("a statement of a group is in a trace of its own")
	}
}
