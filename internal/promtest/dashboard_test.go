package promtest

import (
	"encoding/json"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// dashboard is what these tests look at of a Grafana dashboard.
type dashboard struct {
	UID         string
	Title       string
	Annotations struct{ List []struct{ Expr string } }
	Templating  struct{ List []struct{ Name string } }
	Panels      []panel
}

type panel struct {
	ID                       int
	Type, Title, Description string
	GridPos                  struct{ H, W, X, Y int }
	FieldConfig              struct {
		Defaults struct{ Unit string }
	}
	Targets []struct {
		RefID      string
		Expr       string
		Datasource struct{ UID string }
	}
}

func dashboards(t *testing.T) map[string]dashboard {
	t.Helper()
	all := map[string]dashboard{}
	for _, name := range matching(t, "deploy/grafana/dashboards/*.json") {
		var d dashboard
		if err := json.Unmarshal([]byte(read(t, name)), &d); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		all[name] = d
	}
	return all
}

// panels returns those of every dashboard, without the headings.
func panels(t *testing.T) []panel {
	t.Helper()
	var all []panel
	for _, d := range dashboards(t) {
		for _, p := range d.Panels {
			if p.Type != "row" {
				all = append(all, p)
			}
		}
	}
	return all
}

func TestEveryPanelExplainsItself(t *testing.T) {
	t.Parallel()
	for _, p := range panels(t) {
		if p.Title == "" || p.Description == "" || p.FieldConfig.Defaults.Unit == "" {
			t.Errorf("panel %d: title %q, description %q, unit %q: it needs all three", p.ID, p.Title, p.Description, p.FieldConfig.Defaults.Unit)
		}
		if len(p.Targets) == 0 {
			t.Errorf("panel %q asks for nothing", p.Title)
		}
		for _, target := range p.Targets {
			if target.Expr == "" || target.Datasource.UID != "${datasource}" {
				t.Errorf("panel %q: query %s %q of data source %q, want one of the chosen data source", p.Title, target.RefID, target.Expr, target.Datasource.UID)
			}
		}
	}
}

// Ids are what a link to a panel holds on to; panels that overlap are moved about by Grafana as it likes.
func TestPanelsHaveAPlaceEach(t *testing.T) {
	t.Parallel()
	for name, d := range dashboards(t) {
		if d.UID != strings.TrimSuffix(filepath.Base(name), ".json") {
			t.Errorf("%s: uid %q, want the name of the file", name, d.UID)
		}
		for i, p := range d.Panels {
			if g := p.GridPos; g.W < 1 || g.H < 1 || g.X < 0 || g.X+g.W > 24 {
				t.Errorf("%s: panel %q lies outside: %+v", name, p.Title, g)
			}
			for _, other := range d.Panels[:i] {
				if other.ID == p.ID {
					t.Errorf("%s: panels %q and %q have one id", name, other.Title, p.Title)
				}
				a, b := p.GridPos, other.GridPos
				if a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H {
					t.Errorf("%s: panels %q and %q overlap", name, other.Title, p.Title)
				}
			}
		}
	}
}

// variables are what Grafana puts in place of its own, as in a browser that shows everything.
var variables = strings.NewReplacer("$__rate_interval", "1m", "$job_type", ".+", "$job", "oprun")

func everyQueryIsUnderstood(t *testing.T, p *prometheus) {
	t.Helper()
	for expression, place := range expressions(t) {
		if _, err := p.query(variables.Replace(expression)); err != nil {
			t.Errorf("%s: %v", place, err)
		}
	}
}

// quiet are panels that rightly show nothing here, though everything that they ask for is there.
var quiet = []string{"Oldest active run", "Oldest active run by type"}

// everyPanelShowsSomething looks at the fleet as a person would: a label that no series has shows nothing, and no error.
func everyPanelShowsSomething(t *testing.T, p *prometheus) {
	t.Helper()
	for _, panel := range panels(t) {
		if slices.Contains(quiet, panel.Title) {
			continue
		}
		eventually(t, panel.Title, func() error {
			for _, target := range panel.Targets {
				samples, err := p.query(variables.Replace(target.Expr))
				if err != nil || len(samples) > 0 || isAwaited(target.Expr) {
					return err
				}
			}
			return errors.New("the panel shows nothing")
		})
	}
}

func isAwaited(expression string) bool {
	return slices.ContainsFunc(awaited, func(name string) bool { return strings.Contains(expression, name) }) ||
		strings.Contains(expression, "job:oprun_stream_bytes")
}

func TestGrafanaFindsWhatItIsGiven(t *testing.T) {
	t.Parallel()
	var sources struct {
		Datasources []struct{ Type, URL string }
	}
	readYAML(t, "deploy/grafana/provisioning/datasources/prometheus.yml", &sources)
	if len(sources.Datasources) != 1 || sources.Datasources[0].Type != "prometheus" || sources.Datasources[0].URL == "" {
		t.Errorf("data sources %+v, want one Prometheus", sources.Datasources)
	}
	var boards struct {
		Providers []struct {
			Type    string
			Options struct{ Path string }
		}
	}
	readYAML(t, "deploy/grafana/provisioning/dashboards/oprun.yml", &boards)
	if len(boards.Providers) != 1 || boards.Providers[0].Type != "file" || boards.Providers[0].Options.Path == "" {
		t.Errorf("providers %+v, want one that reads files", boards.Providers)
	}
}
