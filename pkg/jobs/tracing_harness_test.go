package jobs

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/exaring/otelpgx"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"oprun.example/pkg/events"
	"oprun.example/pkg/oprun"
)

// traced is a stack of which every span is kept: those of producers, of attempts, of handlers and of their pool.
type traced struct {
	*stack
	kept     *tracetest.InMemoryExporter
	provider *sdktrace.TracerProvider
	log      *lockedLog
}

func newTraced(t *testing.T) *traced {
	t.Helper()
	s := &traced{stack: newStack(t), kept: tracetest.NewInMemoryExporter(), log: &lockedLog{}}
	s.provider = sdktrace.NewTracerProvider(sdktrace.WithSyncer(s.kept))
	s.publisher = events.NewPublisher(s.js, events.PublisherConfig{TracerProvider: s.provider})
	return s
}

// work runs a worker until n runs have ended, whose handlers' pool makes spans, too.
func (s *traced) work(n int, handle func(context.Context, *Job[keyed]) error) {
	s.t.Helper()
	config := must(pgxpool.ParseConfig(s.database))(s.t)
	config.ConnConfig.Tracer = otelpgx.NewTracer(otelpgx.WithTracerProvider(s.provider))
	pool := must(pgxpool.NewWithConfig(s.t.Context(), config))(s.t)
	s.t.Cleanup(pool.Close)
	ledger := must(oprun.Open(s.t.Context(), pool))(s.t)
	s.t.Cleanup(ledger.Close)
	logger := slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	w := s.startOn(s.js, ledger, handling(handle), Config{TracerProvider: s.provider, Logger: logger})
	s.settled(n)
	s.acknowledged()
	check(s.t, w.stop())
}

// start starts a span of the test's own.
func (s *traced) start(ctx context.Context, name string) (context.Context, trace.Span) {
	return s.provider.Tracer("test").Start(ctx, name)
}

// named returns the spans of this name, in the order in which they ended.
func (s *traced) named(name string) (found []tracetest.SpanStub) {
	for _, span := range s.kept.GetSpans() {
		if span.Name == name {
			found = append(found, span)
		}
	}
	return found
}

// only returns the one span of this name.
func (s *traced) only(name string) tracetest.SpanStub {
	s.t.Helper()
	found := s.named(name)
	if len(found) != 1 {
		s.t.Fatalf("%d spans are called %s, of %d", len(found), name, len(s.kept.GetSpans()))
	}
	return found[0]
}

func wantChild(t *testing.T, child, parent tracetest.SpanStub) {
	t.Helper()
	if child.Parent.SpanID() != parent.SpanContext.SpanID() || child.SpanContext.TraceID() != parent.SpanContext.TraceID() {
		t.Errorf("%s is no child of %s", child.Name, parent.Name)
	}
}

// wantLinked fails the test unless a span is the root of a trace of its own, and linked with another alone.
func wantLinked(t *testing.T, span, with tracetest.SpanStub) {
	t.Helper()
	if span.Parent.IsValid() || span.SpanContext.TraceID() == with.SpanContext.TraceID() {
		t.Errorf("%s is no trace of its own", span.Name)
	}
	if len(span.Links) != 1 || span.Links[0].SpanContext.SpanID() != with.SpanContext.SpanID() ||
		span.Links[0].SpanContext.TraceID() != with.SpanContext.TraceID() {
		t.Errorf("%s is not linked with %s: %v", span.Name, with.Name, span.Links)
	}
}

func attributesOf(span tracetest.SpanStub) map[attribute.Key]any {
	found := map[attribute.Key]any{}
	for _, a := range span.Attributes {
		found[a.Key] = a.Value.AsInterface()
	}
	return found
}

// statements are the spans of the database client that sent something with this text.
func (s *traced) statements(text string) (found []tracetest.SpanStub) {
	for _, span := range s.kept.GetSpans() {
		if sent, ok := attributesOf(span)["db.query.text"].(string); ok && strings.Contains(sent, text) {
			found = append(found, span)
		}
	}
	return found
}
