package promtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"oprun.example/internal/devstack"
)

// prometheus is a running server that scrapes the fleet.
type prometheus struct {
	address string
	client  *http.Client
}

// startPrometheus runs the configuration of deploy/prometheus: with the fleet's addresses, and with every clock at a
// second, but for the windows and waits of the rules.
func startPrometheus(t *testing.T, f *fleet) *prometheus {
	t.Helper()
	dir := t.TempDir()
	for _, name := range matching(t, "deploy/prometheus/rules/*.yml") {
		text := strings.ReplaceAll(read(t, name), "interval: 2m", "interval: 1s")
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(name)), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var config map[string]any
	readYAML(t, "deploy/prometheus/prometheus.yml", &config)
	config["global"] = map[string]string{"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
	config["rule_files"] = []string{filepath.Join(dir, "*.yml")}
	var addresses []string
	for _, c := range f.consumers {
		addresses = append(addresses, c.address)
	}
	for _, scrape := range config["scrape_configs"].([]any) {
		if job := scrape.(map[string]any); job["job_name"] == "oprun" {
			job["static_configs"] = []map[string]any{{"targets": addresses}}
		}
	}
	text, err := yaml.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "prometheus.yaml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return &prometheus{devstack.Prometheus(t, file), &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
}

// get asks the HTTP API, whose answers have one form.
func (p *prometheus) get(path string, query url.Values, into any) error {
	response, err := p.client.Get(p.address + "/api/v1/" + path + "?" + query.Encode())
	if err != nil {
		return err
	}
	defer response.Body.Close()
	var answer struct {
		Status, Error string
		Data          json.RawMessage
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return fmt.Errorf("%s: %s: %w", path, response.Status, err)
	}
	if answer.Status != "success" {
		return fmt.Errorf("%s: %s", answer.Status, answer.Error)
	}
	return json.Unmarshal(answer.Data, into)
}

// sample is one line of a query's answer.
type sample struct {
	Metric map[string]string
	Value  []any
}

// query asks for the value of an expression now.
func (p *prometheus) query(expression string) ([]sample, error) {
	var answer struct {
		ResultType string
		Result     json.RawMessage
	}
	if err := p.get("query", url.Values{"query": {expression}}, &answer); err != nil {
		return nil, fmt.Errorf("%s: %w", expression, err)
	}
	if answer.ResultType != "vector" {
		return nil, nil
	}
	var samples []sample
	return samples, json.Unmarshal(answer.Result, &samples)
}

// is says nothing when an expression has this one value, and else what it has.
func (p *prometheus) is(expression string, want float64) error {
	samples, err := p.query(expression)
	if err != nil {
		return err
	}
	if len(samples) != 1 || len(samples[0].Value) != 2 {
		return fmt.Errorf("%s: %d values, want one", expression, len(samples))
	}
	got, err := strconv.ParseFloat(fmt.Sprint(samples[0].Value[1]), 64)
	if err != nil || got != want {
		return fmt.Errorf("%s = %v, want %v", expression, samples[0].Value[1], want)
	}
	return nil
}
