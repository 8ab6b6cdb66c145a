package otlp

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// lastWords is how long a process that ends waits for the collector to take its last spans.
const lastWords = 3 * time.Second

// Start returns what makes the spans of this process, which calls itself by this name unless OTEL_SERVICE_NAME or
// OTEL_RESOURCE_ATTRIBUTES say otherwise; nil when the environment asks for none, and then nothing is started. The caller
// calls stop at its end, with or without: it sends what has not been sent, for 3 s at most.
//
// A collector that does not answer costs spans, and a line in the log; never a job. An environment that cannot be obeyed is
// a *proc.Error with the code Usage.
func Start(ctx context.Context, service string, log *slog.Logger) (provider trace.TracerProvider, stop func(), err error) {
	if asked, err := wanted(os.Getenv); err != nil || !asked {
		return nil, func() {}, err
	}
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("send spans: %w", err)
	}
	about, err := resource.New(ctx, resource.WithTelemetrySDK(), resource.WithHost(),
		resource.WithAttributes(attribute.String("service.name", service)), resource.WithFromEnv())
	if err != nil {
		log.Warn("spans will not tell all about this process", "error", err)
	}
	// The SDK has one place for the errors of a whole process.
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Warn("spans not sent", "error", err) }))
	sdk := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(about))
	return sdk, func() { end(sdk, log) }, nil
}

// end sends what is left. The process is ending, and so its context may have ended.
func end(sdk *sdktrace.TracerProvider, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(context.Background(), lastWords)
	defer cancel()
	if err := sdk.Shutdown(ctx); err != nil {
		log.Warn("the last spans were not sent", "error", err)
	}
}
