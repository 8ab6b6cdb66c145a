// Package otlp sends the spans of a process to a collector, as the standard OTEL_* variables say.
//
// It promises that a process whose environment asks for no spans makes none, and that one whose environment it cannot obey
// says so at its start instead of losing them. Which spans there are is the business of the packages that make them
// (docs/tracing.md); they know the API of OpenTelemetry and not this SDK.
package otlp
