package admin

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var quiet = slog.New(slog.DiscardHandler)

// serve runs a listener until the test ends, or stop is called, which returns Run's error.
func serve(t *testing.T, handler http.Handler) (url string, stop func() error) {
	t.Helper()
	l, err := Listen(t.Context(), "127.0.0.1:0", handler, quiet)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	stop = sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
	return "http://" + l.Addr(), stop
}

// reply is an answer that was read to its end.
type reply struct {
	status int
	header http.Header
	body   string
}

func get(t *testing.T, url string, headers ...string) reply {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	transport := &http.Transport{DisableKeepAlives: true}
	response, err := transport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{response.StatusCode, response.Header, string(body)}
}

func metrics(t *testing.T, config MetricsConfig) (*prometheus.Registry, http.Handler) {
	t.Helper()
	config.Logger = quiet
	registry := prometheus.NewRegistry()
	handler, err := Metrics(registry, config)
	if err != nil {
		t.Fatal(err)
	}
	return registry, handler
}

func TestListener(t *testing.T) {
	t.Parallel()

	t.Run("says that a port is taken", func(t *testing.T) {
		t.Parallel()
		socket, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer socket.Close()
		_, err = Listen(t.Context(), socket.Addr().String(), http.NotFoundHandler(), quiet)
		if !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), socket.Addr().String()) {
			t.Errorf("got %v", err)
		}
	})

	t.Run("says that a text is no address", func(t *testing.T) {
		t.Parallel()
		_, err := Listen(t.Context(), "nine", http.NotFoundHandler(), quiet)
		if _, ok := errors.AsType[*net.AddrError](err); !ok {
			t.Errorf("got %v", err)
		}
	})

	t.Run("gives the port back when it is asked to stop", func(t *testing.T) {
		t.Parallel()
		url, stop := serve(t, http.NotFoundHandler())
		if got := get(t, url); got.status != http.StatusNotFound {
			t.Errorf("got %d", got.status)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
		socket, err := net.Listen("tcp", strings.TrimPrefix(url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		_ = socket.Close()
	})

	t.Run("lets a request finish", func(t *testing.T) {
		t.Parallel()
		inside, leave := make(chan struct{}), make(chan struct{})
		url, stop := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			close(inside)
			<-leave
			answer(w, http.StatusOK, "done")
		}))
		go func() {
			<-inside
			close(leave)
			_ = stop()
		}()
		if got := get(t, url); got.body != "done" {
			t.Errorf("got %q", got.body)
		}
	})

	t.Run("ends when its socket is lost", func(t *testing.T) {
		t.Parallel()
		l, err := Listen(t.Context(), "127.0.0.1:0", http.NotFoundHandler(), quiet)
		if err != nil {
			t.Fatal(err)
		}
		_ = l.socket.Close()
		if err := l.Run(t.Context()); err == nil {
			t.Error("it ended well")
		}
	})
}

func TestMetrics(t *testing.T) {
	t.Parallel()

	t.Run("shows the registry, the process and the build", func(t *testing.T) {
		t.Parallel()
		registry, handler := metrics(t, MetricsConfig{})
		counter := prometheus.NewCounter(prometheus.CounterOpts{Name: "oprun_tests_total"})
		registry.MustRegister(counter)
		counter.Add(7)
		url, _ := serve(t, handler)
		body := get(t, url+"/metrics").body
		for _, want := range []string{"oprun_tests_total 7\n", "go_goroutines ", "process_start_time_seconds ", "oprun_build_info{go_version=\"go1"} {
			if !strings.Contains(body, want) {
				t.Errorf("no %q in\n%s", want, body)
			}
		}
	})

	t.Run("speaks OpenMetrics with exemplars, and protobuf", func(t *testing.T) {
		t.Parallel()
		registry, handler := metrics(t, MetricsConfig{})
		histogram := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "oprun_tests_seconds", Buckets: []float64{1}})
		registry.MustRegister(histogram)
		histogram.(prometheus.ExemplarObserver).ObserveWithExemplar(0.5, prometheus.Labels{"trace_id": "abc"})
		url, _ := serve(t, handler)
		body := get(t, url+"/metrics", "Accept", "application/openmetrics-text; version=1.0.0").body
		if !strings.Contains(body, `# {trace_id="abc"} 0.5`) || !strings.HasSuffix(body, "# EOF\n") {
			t.Errorf("got\n%s", body)
		}
		const protobuf = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
		if got := get(t, url+"/metrics", "Accept", protobuf).header.Get("Content-Type"); !strings.HasPrefix(got, "application/vnd.google.protobuf") {
			t.Errorf("got %s", got)
		}
	})

	t.Run("survives a collector that fails", func(t *testing.T) {
		t.Parallel()
		registry, handler := metrics(t, MetricsConfig{})
		registry.MustRegister(failing{})
		url, _ := serve(t, handler)
		if got := get(t, url+"/metrics"); got.status != http.StatusOK || !strings.Contains(got.body, "go_goroutines ") {
			t.Errorf("got %d\n%s", got.status, got.body)
		}
	})

	t.Run("refuses a registry that has them already", func(t *testing.T) {
		t.Parallel()
		registry, _ := metrics(t, MetricsConfig{})
		if _, err := Metrics(registry, MetricsConfig{}); err == nil {
			t.Error("registered twice")
		}
	})

	t.Run("names its pages", func(t *testing.T) {
		t.Parallel()
		_, handler := metrics(t, MetricsConfig{})
		url, _ := serve(t, handler)
		if got := get(t, url); got.body != "/metrics\n/healthz\n/readyz\n" {
			t.Errorf("got %q", got.body)
		}
		if got := get(t, url+"/other"); got.status != http.StatusNotFound {
			t.Errorf("got %d", got.status)
		}
	})
}

func TestMetricsOfTheProcessAreInForm(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	registry.MustRegister(buildInfo(&debug.BuildInfo{Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: "abc"}}}, true))
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	if problems, err := promlint.NewWithMetricFamilies(families).Lint(); err != nil || len(problems) > 0 {
		t.Error(problems, err)
	}
	if !strings.Contains(families[0].String(), `"abc"`) {
		t.Errorf("no revision in %s", families[0])
	}
}

// failing is a collector whose source is away.
type failing struct{}

func (failing) Describe(descs chan<- *prometheus.Desc) { descs <- failingDesc }

func (failing) Collect(metrics chan<- prometheus.Metric) {
	metrics <- prometheus.NewInvalidMetric(failingDesc, errors.New("postgres is away"))
}

var failingDesc = prometheus.NewDesc("oprun_away", "Never there.", nil, nil)
