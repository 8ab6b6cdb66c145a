package otlp

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"oprun.example/internal/proc"
)

// wanted reads from the environment whether spans are to be sent. The variables themselves are obeyed by the SDK, which
// ignores what it does not understand; that is refused here.
func wanted(lookup func(name string) string) (bool, error) {
	env := func(name string) string { return strings.TrimSpace(lookup(name)) }
	endpoint := cmp.Or(env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"), env("OTEL_EXPORTER_OTLP_ENDPOINT"))
	exporter := env("OTEL_TRACES_EXPORTER")
	switch {
	case strings.EqualFold(env("OTEL_SDK_DISABLED"), "true"), exporter == "none":
		return false, nil
	case exporter == "" && endpoint == "": // the standard would send to localhost unasked
		return false, nil
	case exporter != "" && exporter != "otlp":
		return false, refuse("OTEL_TRACES_EXPORTER", exporter, "type: export OTEL_TRACES_EXPORTER=otlp, or none")
	}
	switch protocol := cmp.Or(env("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"), env("OTEL_EXPORTER_OTLP_PROTOCOL")); protocol {
	case "", "http/protobuf", "http/json":
	default:
		return false, refuse("OTEL_EXPORTER_OTLP_PROTOCOL", protocol,
			"type: export OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf, and the endpoint of that protocol (its port is 4318, as a rule)")
	}
	if address, err := url.Parse(endpoint); endpoint != "" && (err != nil || address.Host == "" || address.Scheme != "http" && address.Scheme != "https") {
		return false, &proc.Error{
			Code: proc.Usage, Err: errors.New("OTEL_EXPORTER_OTLP_ENDPOINT: it is not an address like http://host:4318"),
			Hint: "type: export OTEL_EXPORTER_OTLP_ENDPOINT=http://<collector>:4318, or unset it",
		}
	}
	return true, nil
}

func refuse(name, value, hint string) error {
	return &proc.Error{Code: proc.Usage, Err: fmt.Errorf("%s: %q is not known here", name, value), Hint: hint}
}
