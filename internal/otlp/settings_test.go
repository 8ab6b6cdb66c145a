package otlp

import (
	"errors"
	"testing"

	"oprun.example/internal/proc"
)

func TestWanted(t *testing.T) {
	t.Parallel()
	const endpoint, traces = "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
	const exporter, protocol = "OTEL_TRACES_EXPORTER", "OTEL_EXPORTER_OTLP_PROTOCOL"
	const collector = "http://collector:4318"
	for name, test := range map[string]struct {
		env     map[string]string
		want    bool
		refused bool
	}{
		"nothing_is_sent_unasked":                {},
		"an_endpoint_asks":                       {env: map[string]string{endpoint: collector}, want: true},
		"so_does_one_for_spans_alone":            {env: map[string]string{traces: collector + "/v1/traces"}, want: true},
		"so_does_the_exporter":                   {env: map[string]string{exporter: "otlp"}, want: true},
		"what_is_set_to_nothing_is_not_set":      {env: map[string]string{endpoint: " ", exporter: ""}},
		"no_exporter_is_off":                     {env: map[string]string{endpoint: collector, exporter: "none"}},
		"so_is_the_disabled_SDK":                 {env: map[string]string{endpoint: collector, "OTEL_SDK_DISABLED": "TRUE"}},
		"json_is_a_protocol":                     {env: map[string]string{endpoint: collector, protocol: "http/json"}, want: true},
		"another_protocol_is_refused":            {env: map[string]string{endpoint: collector, protocol: "grpc"}, refused: true},
		"for_spans_alone_as_well":                {env: map[string]string{endpoint: collector, "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "grpc"}, refused: true},
		"but_not_of_who_sends_nothing":           {env: map[string]string{protocol: "grpc"}},
		"another_exporter_is_refused":            {env: map[string]string{exporter: "jaeger"}, refused: true},
		"an_endpoint_without_scheme_is_refused":  {env: map[string]string{endpoint: "collector:4318"}, refused: true},
		"an_endpoint_that_is_nothing_is_refused": {env: map[string]string{endpoint: "://"}, refused: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := wanted(func(name string) string { return test.env[name] })
			known, isKnown := errors.AsType[*proc.Error](err)
			if got != test.want || (err != nil) != test.refused || test.refused && (!isKnown || known.Code != proc.Usage || known.Hint == "") {
				t.Errorf("got %t, %v", got, err)
			}
		})
	}
}
