package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"oprun.example/internal/devstack"
	"oprun.example/pkg/catalog"
	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
	"oprun.example/pkg/jobs"
	"oprun.example/pkg/oprun"
)

var update = flag.Bool("update", false, "write the golden files anew")

const waitingCatalog = `version: 1
jobs:
  greetings.send: {scope: tenant, identity: [name]}
  greetings.wait: {scope: tenant, identity: [name], timeout: 1h}
handlers:
  greetings.send: {exec: ["true"]}
  greetings.wait: {exec: ["sleep", "600"]}
`

const producerTrace = "4bf92f3577b34da6a3ce929d0e0e4736"

// All that other programs hold on to in /metrics is in the golden file, is as Prometheus asks for, and is in docs/metrics.md.
func TestMetricsSurface(t *testing.T) {
	t.Parallel()
	url := busyConsumer(t)
	const golden, open = "testdata/metrics.golden", "application/openmetrics-text; version=1.0.0"
	want, err := os.ReadFile(golden)
	if err != nil && !*update {
		t.Fatal(err)
	}
	var text, got string
	poll(t, "figures of all kinds", func() bool {
		text = read(t, url+"/metrics")
		got = surfaceOf(text).String()
		return strings.Contains(text, `oldest_active_run_created_timestamp_seconds{job_type="greetings.wait",status="queued"}`) &&
			strings.Contains(text, `oldest_active_run_created_timestamp_seconds{job_type="greetings.wait",status="running"}`) &&
			strings.Contains(text, "oprun_jetstream_oldest_unclaimed_timestamp_seconds ")
	})
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	} else if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("a name, type, help, label or value has changed, on which others may rely (contract §9); if it is meant: go test ./cmd/consumer -run MetricsSurface -update\n(-want +got):\n%s", diff)
	}
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "oprun_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
	checkMetricsDoc(t, surfaceOf(text))
	if exposed := read(t, url+"/metrics", "Accept", open); !strings.Contains(exposed, `# {trace_id="`+producerTrace+`"}`) {
		t.Error("OpenMetrics shows no exemplar of the traced job")
	}
}

// busyConsumer is a consumer that has ended a run of one type, and has one running, one queued and one unclaimed of another.
func busyConsumer(t *testing.T) (url string) {
	t.Helper()
	database, server := devstack.Database(t), startNATS(t)
	file := filepath.Join(t.TempDir(), "jobs.yaml")
	if err := os.WriteFile(file, []byte(waitingCatalog), 0o600); err != nil {
		t.Fatal(err)
	}
	flags := []string{"--database-url", database, "--nats-url", server.URL(), "--log-format", "text"}
	for _, command := range [][]string{{"topology", "apply", "--dev"}, {"seed"}} {
		if err := run(t.Context(), append(command, flags...), streams{io.Discard, io.Discard}); err != nil {
			t.Fatal(err)
		}
	}
	log := &logBuffer{}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		command := []string{"run", "--catalog", file, "--metrics-listen", "127.0.0.1:0", "--concurrency", "1", "--drain-timeout", "1s", "--no-schedules"}
		ended <- run(ctx, append(command, flags...), streams{io.Discard, log})
	}()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	poll(t, "the listener", func() bool {
		if found := regexp.MustCompile(`metrics listener started.*address=(\S+)`).FindStringSubmatch(log.String()); found != nil {
			url = "http://" + found[1]
		}
		return url != ""
	})
	keepBusy(t, url, database, server.URL(), file)
	return url
}

func keepBusy(t *testing.T, url, database, address, file string) {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	ledger, err := oprun.Open(t.Context(), pool)
	if err != nil {
		t.Fatal(err)
	}
	defer ledger.Close()
	_, tenant, err := ledger.Seed(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := nats.Connect(address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	declared, err := catalog.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	ask := func(jobType, name string) {
		t.Helper()
		_, err := js.PublishMsg(t.Context(), &nats.Msg{
			Subject: events.Subjects{}.Subject(dedupe.Tenant(tenant.ExternalID), jobType), Data: []byte(`{"name":"` + name + `"}`),
			Header: nats.Header{"traceparent": {"00-" + producerTrace + "-00f067aa0ba902b7-01"}},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	ask("greetings.send", "a")
	poll(t, "the first job", func() bool {
		return strings.Contains(read(t, url+"/metrics"), `oprun_runs_total{job_type="greetings.send",outcome="succeeded"} 1`)
	})
	ask("greetings.wait", "running")
	poll(t, "the second job", func() bool {
		return strings.Contains(read(t, url+"/metrics"), `oprun_running_attempts{job_type="greetings.wait"} 1`)
	})
	ask("greetings.wait", "unclaimed")
	if _, err := jobs.NewDispatcher(ledger, declared, nil, jobs.DispatcherConfig{}).Dispatch(t.Context(), dedupe.Tenant(tenant.ExternalID), "greetings.wait", []byte(`{"name":"queued"}`)); err != nil {
		t.Fatal(err)
	}
}

// family is one metric as text shows it.
type family struct {
	name, kind, help string
	labels           map[string][]string // the values of each, sorted
}

// surface are the metrics of oprun, by name.
type surface map[string]*family

var (
	sampleLine = regexp.MustCompile(`^(oprun_\w+?)(_bucket|_sum|_count)?(?:\{(.*)\})? \S+$`)
	labelPair  = regexp.MustCompile(`(\w+)="([^"]*)"`)
)

// surfaceOf reads the text format.
func surfaceOf(text string) surface {
	s := surface{}
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		word := strings.SplitN(line, " ", 4)
		switch {
		case strings.HasPrefix(line, "# HELP oprun_"):
			s[word[2]] = &family{name: word[2], help: word[3], labels: map[string][]string{}}
		case strings.HasPrefix(line, "# TYPE oprun_"):
			s[word[2]].kind = word[3]
		case strings.HasPrefix(line, "oprun_"):
			s.sample(line)
		}
	}
	return s
}

func (s surface) sample(line string) {
	found := sampleLine.FindStringSubmatch(line)
	f := s[found[1]]
	if f == nil || found[2] != "" && f.kind != "histogram" { // the ending is a part of the name
		f = s[found[1]+found[2]]
	}
	for _, pair := range labelPair.FindAllStringSubmatch(found[3], -1) {
		label, value := pair[1], pair[2]
		if f.name == "oprun_build_info" {
			value = "(of the build)"
		}
		if at, known := slices.BinarySearch(f.labels[label], value); !known {
			f.labels[label] = slices.Insert(f.labels[label], at, value)
		}
	}
}

// String writes a metric a paragraph.
func (s surface) String() string {
	var b bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(s)) {
		f := s[name]
		fmt.Fprintf(&b, "%s %s\n  %s\n", f.name, f.kind, f.help)
		for _, label := range slices.Sorted(maps.Keys(f.labels)) {
			fmt.Fprintf(&b, "  %s: %s\n", label, strings.Join(f.labels[label], " "))
		}
	}
	return b.String()
}

// checkMetricsDoc compares the rows of the document with the metrics: | `name` | type | `labels` | …
func checkMetricsDoc(t *testing.T, metrics surface) {
	t.Helper()
	text, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `(oprun_\\w+)` \\| (\\w+) \\| ([^|]*) \\| [^|]{10,} \\| [^|]{10,} \\|$").FindAllStringSubmatch(string(text), -1) {
		if _, twice := documented[row[1]]; twice {
			t.Errorf("docs/metrics.md has %s twice", row[1])
		}
		documented[row[1]] = row[2] + " " + strings.NewReplacer("`", "", ",", "").Replace(row[3])
	}
	want := map[string]string{}
	for name, f := range metrics {
		labels := slices.Sorted(maps.Keys(f.labels))
		labels = slices.DeleteFunc(labels, func(label string) bool { return label == "le" })
		want[name] = f.kind + " " + strings.Join(labels, " ")
		if len(labels) == 0 {
			want[name] = f.kind + " –"
		}
		for label, values := range f.labels {
			for _, value := range values {
				if label != "le" && label != "job_type" && name != "oprun_build_info" && !strings.Contains(string(text), "`"+value+"`") {
					t.Errorf("docs/metrics.md does not say what %s=%q of %s means", label, value, name)
				}
			}
		}
	}
	if diff := cmp.Diff(want, documented); diff != "" {
		t.Errorf("docs/metrics.md and the metrics (-metrics +document):\n%s", diff)
	}
}
