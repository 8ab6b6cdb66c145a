package admin

import (
	"cmp"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

const (
	// gatherTimeout is shorter than the shortest scrape interval in use.
	gatherTimeout = 10 * time.Second
	// maxScrapes bounds what a stranger on the open port can make the process compute at once.
	maxScrapes = 8
)

// MetricsConfig is what Metrics may be told. The zero value works.
type MetricsConfig struct {
	// Ready is what /readyz asks, in the order of its answer. None: always ready.
	Ready []Check
	// Patience is how long /readyz waits for all of them together. Default 2 s.
	Patience time.Duration
	// Logger gets failures of collectors. Default slog.Default().
	Logger *slog.Logger
}

// Metrics registers the metrics of the process itself (build_info, Go runtime, operating system) and returns the
// handler of the metrics listener:
//
//   - /metrics: everything in the registry, in the format that is asked for: text, OpenMetrics with exemplars, or
//     protobuf with native histograms. A collector that fails costs its own metrics only.
//   - /healthz: 200 while the process lives.
//   - /readyz: 200 when every check is well, else 503; one line for each in plain words.
//
// It fails when the registry holds such collectors already.
func Metrics(registry *prometheus.Registry, config MetricsConfig) (http.Handler, error) {
	config.Patience = cmp.Or(config.Patience, 2*time.Second)
	if config.Logger == nil {
		config.Logger = slog.Default()
	}
	for _, c := range []prometheus.Collector{
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		buildInfo(debug.ReadBuildInfo()),
	} {
		if err := registry.Register(c); err != nil {
			return nil, fmt.Errorf("register the metrics of the process: %w", err)
		}
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		ErrorLog:            slog.NewLogLogger(config.Logger.Handler(), slog.LevelError),
		ErrorHandling:       promhttp.ContinueOnError,
		Registry:            registry,
		MaxRequestsInFlight: maxScrapes,
		Timeout:             gatherTimeout,
		EnableOpenMetrics:   true,
	}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "alive\n") })
	mux.Handle("GET /readyz", newReadiness(config))
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, "/metrics\n/healthz\n/readyz\n")
	})
	return mux, nil
}

// answer writes plain text that nobody may keep: it is true for a moment only.
func answer(w http.ResponseWriter, status int, text string) {
	header := w.Header()
	header.Set("Content-Type", "text/plain; charset=utf-8")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text) // whoever has hung up does not want it
}

// buildInfo is a gauge that is always 1 and says by its labels what runs here.
func buildInfo(info *debug.BuildInfo, ok bool) prometheus.Collector {
	if !ok {
		info = &debug.BuildInfo{}
	}
	var revision string
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" {
			revision = setting.Value
		}
	}
	gauge := prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: "oprun", Name: "build_info", Help: "What runs here, always 1.",
		ConstLabels: prometheus.Labels{
			"version":    cmp.Or(info.Main.Version, "unknown"),
			"revision":   cmp.Or(revision, "unknown"),
			"go_version": cmp.Or(info.GoVersion, "unknown"),
		},
	})
	gauge.Set(1)
	return gauge
}
