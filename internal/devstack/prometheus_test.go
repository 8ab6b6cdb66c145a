package devstack

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// monitoring makes a folder with programs that only know their version.
func monitoring(t *testing.T, dir, version string) string {
	t.Helper()
	for _, name := range []string{"prometheus", "promtool"} {
		program(t, filepath.Join(dir, name), fmt.Sprintf("echo '%s, version %s (branch: test)'", name, version))
	}
	return dir
}

func TestFindPrometheus(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		version   string // on PATH; empty: none
		downloads []string
	}{
		"the one on PATH":                     {"2.42.0+ds", nil},
		"a newer one too":                     {"3.5.1", nil},
		"else the distribution's":             {"", []string{"prometheus"}},
		"and so when the one on PATH is old":  {"2.41.9", []string{"prometheus"}},
		"or has no version that can be read":  {"unknown", []string{"prometheus"}},
		"a major version counts before minor": {"1.99.0", []string{"prometheus"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, p := distribution(t)
			want := filepath.Join(dir, "cache", "oprun")
			if test.version != "" {
				monitoring(t, dir, test.version)
			}
			if test.downloads == nil {
				want = dir
			}
			found, err := p.findPrometheus(t.Context())
			if err != nil || !strings.HasPrefix(found.server, want+"/") || filepath.Dir(found.server) != filepath.Dir(found.promtool) {
				t.Errorf("found %+v, want it in %s (%v)", found, want, err)
			}
			if got := downloads(t, dir); !slices.Equal(got, test.downloads) {
				t.Errorf("downloaded %q, want %q", got, test.downloads)
			}
		})
	}
}

func TestMissingPrometheus(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	program(t, filepath.Join(dir, "prometheus"), "echo 'prometheus, version 2.42.0'")
	p := places{
		getenv: environment(map[string]string{"PATH": dir, "OPRUN_NO_INSTALL": "1"}),
		cache:  func() (string, error) { return t.TempDir(), nil }, announce: io.Discard,
	}
	_, err := p.findPrometheus(t.Context())
	if _, ok := errors.AsType[*MissingError](err); !ok {
		t.Fatalf("got %v", err)
	}
	for _, word := range []string{"no Prometheus 2.42 or later to run", "not both prometheus and promtool", "type: unset OPRUN_NO_INSTALL", "apt-get install prometheus"} {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("the text lacks %q:\n%v", word, err)
		}
	}
}

// The real thing answers, with the configuration it was given.
func TestPrometheus(t *testing.T) {
	t.Parallel()
	config := filepath.Join(t.TempDir(), "prometheus.yml")
	if err := os.WriteFile(config, []byte("global: {external_labels: {given: by_this_test}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Get(Prometheus(t, config) + "/api/v1/status/config")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if text, err := io.ReadAll(answer.Body); err != nil || !strings.Contains(string(text), "by_this_test") {
		t.Errorf("answered %s (%v)", text, err)
	}
}

func TestPrometheusThatDoesNotStartSaysWhy(t *testing.T) {
	t.Parallel()
	_, err := startPrometheus(t.Context(), prometheusOf(t).server, filepath.Join(t.TempDir(), "missing.yml"))
	if err == nil || !strings.Contains(err.Error(), "missing.yml") {
		t.Errorf("got %v", err)
	}
}
