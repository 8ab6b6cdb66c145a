package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"
)

// exported is what this collector reads of an OTLP request in JSON.
type exported struct {
	ResourceSpans []struct {
		Resource struct {
			Attributes []struct {
				Key   string `json:"key"`
				Value struct {
					Text string `json:"stringValue"`
				} `json:"value"`
			} `json:"attributes"`
		} `json:"resource"`
		ScopeSpans []struct {
			Spans []struct {
				Name   string `json:"name"`
				Trace  string `json:"traceId"`
				Span   string `json:"spanId"`
				Parent string `json:"parentSpanId"`
				Links  []struct {
					Trace string `json:"traceId"`
					Span  string `json:"spanId"`
				} `json:"links"`
			} `json:"spans"`
		} `json:"scopeSpans"`
	} `json:"resourceSpans"`
}

// collector starts a collector for the commands of a script: it writes one line a span to a file.
func collector(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 1, "collector FILE")
	var writing sync.Mutex
	path := ts.MkAbs(args[0])
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var sent exported
		if err := json.NewDecoder(r.Body).Decode(&sent); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		writing.Lock()
		defer writing.Unlock()
		file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
		if err == nil {
			_, err = file.WriteString(sent.lines())
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_ = file.Close()
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, "{}")
	}))
	ts.Defer(server.Close)
	ts.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.URL)
	ts.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")
	ts.Setenv("OTEL_BSP_SCHEDULE_DELAY", "20") // ms
}

// lines are "<service>: <name>, <trace>-<span>, child of <span>, linked with <trace>-<span>".
func (e exported) lines() string {
	var text strings.Builder
	for _, resource := range e.ResourceSpans {
		service := ""
		for _, a := range resource.Resource.Attributes {
			if a.Key == "service.name" {
				service = a.Value.Text
			}
		}
		for _, scope := range resource.ScopeSpans {
			for _, span := range scope.Spans {
				// JSON may spell ids in either case, headers may not.
				ids := fmt.Sprintf("%s-%s, child of %s, linked with", span.Trace, span.Span, span.Parent)
				for _, link := range span.Links {
					ids += " " + link.Trace + "-" + link.Span
				}
				fmt.Fprintf(&text, "%s: %s, %s", service, span.Name, strings.ToLower(ids))
				text.WriteString("\n")
			}
		}
	}
	return text.String()
}
