package remote

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"oprun.example/pkg/catalog"
)

// service is a server of the test's own.
func service(t *testing.T, handle http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handle)
	t.Cleanup(server.Close)
	return server.URL
}

// post runs one attempt against the address.
func post(ctx context.Context, t *testing.T, h catalog.Handler) ending {
	t.Helper()
	carrier := transport(4)
	t.Cleanup(carrier.CloseIdleConnections)
	config := Config{Transport: carrier, LookupEnv: func(string) (string, bool) { return "s3cr3t", true }}
	run := must(config.poster(h))(t)
	return run(ctx, newWork(`{"key":"value"}`))
}

func answering(status int, header http.Header, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for name, values := range header {
			w.Header()[name] = values
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func TestPostSendsTheInputAndWhoAsks(t *testing.T) {
	t.Parallel()
	var got *http.Request
	var body string
	address := service(t, func(_ http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		got, body = r, string(text)
	})
	if e := post(t.Context(), t, catalog.Handler{HTTP: address + "/fetch?shard=1", BearerEnv: "TOKEN"}); e.fate != done {
		t.Fatal(e.err)
	}
	if got.Method != http.MethodPost || got.URL.String() != "/fetch?shard=1" || body != `{"key":"value"}` {
		t.Errorf("%s %s %s", got.Method, got.URL, body)
	}
	want := http.Header{
		"Content-Type": {"application/json"}, "Content-Length": {"15"}, "Accept": {"application/json"},
		"Accept-Encoding": {"gzip"}, "User-Agent": {"oprun"}, "Authorization": {"Bearer s3cr3t"},
		"Idempotency-Key": {testRun.String()}, "Oprun-Run-Id": {testRun.String()}, "Oprun-Attempt": {"2"},
		"Oprun-Scope": {"tenant." + testTenant.String()}, "Oprun-Job-Type": {"assignments.fetch"},
		"Traceparent": {testParent}, "Tracestate": {testState},
	}
	if diff := cmp.Diff(want, got.Header); diff != "" {
		t.Error(diff)
	}
}

func TestPostSendsTheUserOfTheAddressUnlessThereIsABearer(t *testing.T) {
	t.Parallel()
	got := make(chan string, 1)
	address := service(t, func(_ http.ResponseWriter, r *http.Request) { got <- r.Header.Get("Authorization") })
	address = strings.Replace(address, "http://", "http://me:w%40rd@", 1)
	for bearer, want := range map[string]string{"": "Basic bWU6d0ByZA==", "TOKEN": "Bearer s3cr3t"} {
		if e := post(t.Context(), t, catalog.Handler{HTTP: address, BearerEnv: bearer}); e.fate != done {
			t.Fatal(e.err)
		}
		if sent := <-got; sent != want {
			t.Errorf("sent %q, want %q", sent, want)
		}
	}
}

func TestPostSendsNoEmptyHeaders(t *testing.T) {
	t.Parallel()
	work := newWork("{}")
	work.TraceParent, work.TraceState = "", ""
	request := must((&poster{address: "http://localhost/"}).request(t.Context(), work))(t)
	for _, name := range []string{"Traceparent", "Tracestate", "Authorization"} {
		if values, ok := request.Header[name]; ok {
			t.Errorf("%s: %q", name, values)
		}
	}
}

func TestPostReadsTheStatus(t *testing.T) {
	t.Parallel()
	fates := map[fate][]int{
		done:    {200, 201, 202, 204, 206, 299},
		again:   {408, 425, 429, 500, 501, 502, 503, 504, 507, 599},
		forGood: {300, 301, 302, 303, 304, 307, 308, 400, 401, 403, 404, 405, 409, 410, 422, 423, 426, 451, 499, 600, 999},
	}
	address := service(t, func(w http.ResponseWriter, r *http.Request) {
		var status int
		_, _ = fmt.Sscanf(r.URL.Path, "/%d", &status)
		w.WriteHeader(status)
	})
	for want, statuses := range fates {
		for _, status := range statuses {
			e := post(t.Context(), t, catalog.Handler{HTTP: fmt.Sprintf("%s/%d", address, status)})
			if e.fate != want || e.after != 0 {
				t.Errorf("%d: fate %d, want %d; after %s, %v", status, e.fate, want, e.after, e.err)
			}
			if want != done {
				wantText(t, e.err, fmt.Sprintf("answered %d", status))
			}
		}
	}
}

func TestPostFollowsNoRedirect(t *testing.T) {
	t.Parallel()
	elsewhere := service(t, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("followed to %s", r.URL) })
	for _, status := range []int{301, 302, 303, 307, 308} {
		for _, location := range []string{elsewhere + "/?token=abc", "http://[abc"} {
			address := service(t, answering(status, http.Header{"Location": {location}}, ""))
			e := post(t.Context(), t, catalog.Handler{HTTP: address})
			if e.fate != forGood {
				t.Errorf("%d to %s: fate %d", status, location, e.fate)
			}
			wantText(t, e.err, "redirects are not followed")
			wantNone(t, e.err, elsewhere, "abc")
		}
	}
}

func TestPostObeysRetryAfter(t *testing.T) {
	t.Parallel()
	for _, status := range []int{408, 425, 429, 500, 503} {
		address := service(t, answering(status, http.Header{"Retry-After": {"120"}}, ""))
		e := post(t.Context(), t, catalog.Handler{HTTP: address})
		if e.fate != again || e.after != 2*time.Minute {
			t.Errorf("%d: fate %d after %s", status, e.fate, e.after)
		}
	}
}

func TestPostReadsTheReport(t *testing.T) {
	t.Parallel()
	address := service(t, answering(200, http.Header{"Content-Type": {"application/json"}},
		`{"outcome":"partially_succeeded","summary_counts":{"total":2},"failures":[{"code":"a.b","message":"m"}]}`))
	e := post(t.Context(), t, catalog.Handler{HTTP: address})
	want := report{partiallySucceeded, map[string]int64{"total": 2}, []failure{{"a.b", "m"}}}
	if diff := cmp.Diff(want, e.report, reports); diff != "" || e.fate != done {
		t.Errorf("fate %d: %s", e.fate, diff)
	}
}

func TestPostReadsUpToOneMiB(t *testing.T) {
	t.Parallel()
	const said = `{"outcome":"blocked"}`
	exactly := said + strings.Repeat(" ", 1<<20-len(said))

	e := post(t.Context(), t, catalog.Handler{HTTP: service(t, answering(200, nil, exactly))})
	if e.fate != done || e.report.outcome != blocked {
		t.Errorf("1 MiB: fate %d, outcome %q, %v", e.fate, e.report.outcome, e.err)
	}
	e = post(t.Context(), t, catalog.Handler{HTTP: service(t, answering(200, nil, exactly+" "))})
	wantInvalid(t, e, "the response is larger than 1 MiB")
}

func TestPostFailsForGoodOnAReportThatCannotBeRead(t *testing.T) {
	t.Parallel()
	header := http.Header{"Content-Type": {"application/json"}}
	e := post(t.Context(), t, catalog.Handler{HTTP: service(t, answering(200, header, `{"outcome": secret`))})
	wantInvalid(t, e, "the response is no valid JSON")
	e = post(t.Context(), t, catalog.Handler{HTTP: service(t, answering(200, header, `{"outcome":"secret"}`))})
	wantInvalid(t, e, "the report's outcome is unknown")
}

func wantInvalid(t *testing.T, e ending, message string) {
	t.Helper()
	want := report{failures: []failure{{"handler.response_invalid", message}}}
	if diff := cmp.Diff(want, e.report, reports); diff != "" || e.fate != forGood {
		t.Errorf("fate %d, %v: %s", e.fate, e.err, diff)
	}
}

func wantNone(t *testing.T, err error, secrets ...string) {
	t.Helper()
	for _, secret := range secrets {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("the error %q holds %q", err, secret)
		}
	}
}
