package promtest

import (
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"oprun.example/internal/devstack"
)

// rule is one entry of a rules file: an alert or a record.
type rule struct {
	Alert       string
	Record      string
	Expr        string
	Labels      map[string]string
	Annotations map[string]string
}

// rules reads every rule that Prometheus is given.
func rules(t *testing.T) []rule {
	t.Helper()
	var all []rule
	for _, name := range matching(t, "deploy/prometheus/rules/*.yml") {
		var file struct {
			Groups []struct{ Rules []rule }
		}
		readYAML(t, name, &file)
		for _, group := range file.Groups {
			all = append(all, group.Rules...)
		}
	}
	return all
}

// alerts returns the alerts by their names.
func alerts(t *testing.T) map[string]rule {
	t.Helper()
	named := map[string]rule{}
	for _, r := range rules(t) {
		if r.Alert == "" {
			continue
		}
		if _, twice := named[r.Alert]; twice {
			t.Errorf("two alerts are called %s", r.Alert)
		}
		named[r.Alert] = r
	}
	return named
}

// promtool runs the tool in deploy/prometheus.
func promtool(t *testing.T, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), devstack.Promtool(t), args...)
	cmd.Dir = filepath.Join(root, "deploy", "prometheus")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func TestPrometheusTakesTheConfiguration(t *testing.T) {
	t.Parallel()
	promtool(t, "check", "config", "--lint=all", "--lint-fatal", "prometheus.yml")
	promtool(t, "check", "rules", "--lint=all", "--lint-fatal", "rules/alerts.yml", "rules/recording.yml")
}

func TestAlertsFireAndDoNot(t *testing.T) {
	t.Parallel()
	for _, name := range matching(t, "deploy/prometheus/tests/*.yml") {
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			promtool(t, "test", "rules", "tests/"+filepath.Base(name))
		})
	}
}

func TestEveryAlertIsWhole(t *testing.T) {
	t.Parallel()
	for name, alert := range alerts(t) {
		if severity := alert.Labels["severity"]; severity != "critical" && severity != "warning" {
			t.Errorf("%s: severity %q, want critical or warning", name, severity)
		}
		for _, annotation := range []string{"summary", "description"} {
			if alert.Annotations[annotation] == "" {
				t.Errorf("%s has no %s", name, annotation)
			}
		}
		if want := "docs/operations.md#" + strings.ToLower(name); alert.Annotations["runbook"] != want {
			t.Errorf("%s: runbook %q, want %q", name, alert.Annotations["runbook"], want)
		}
	}
}

// Each alert is shown something that must set it off, and something that must not.
func TestEveryAlertIsTested(t *testing.T) {
	t.Parallel()
	fires, silent := map[string]bool{}, map[string]bool{}
	for _, name := range matching(t, "deploy/prometheus/tests/*.yml") {
		var file struct {
			Tests []struct {
				AlertRuleTest []struct {
					Alertname string
					ExpAlerts []any `yaml:"exp_alerts"`
				} `yaml:"alert_rule_test"`
			}
		}
		readYAML(t, name, &file)
		for _, test := range file.Tests {
			for _, expected := range test.AlertRuleTest {
				if len(expected.ExpAlerts) > 0 {
					fires[expected.Alertname] = true
				} else {
					silent[expected.Alertname] = true
				}
			}
		}
	}
	known := slices.Sorted(maps.Keys(alerts(t)))
	for what, tested := range map[string]map[string]bool{"fires": fires, "does not fire": silent} {
		for _, name := range known {
			if !tested[name] {
				t.Errorf("no test in deploy/prometheus/tests where %s %s", name, what)
			}
		}
		for name := range tested {
			if !slices.Contains(known, name) {
				t.Errorf("a test in deploy/prometheus/tests is about %s, which is no alert", name)
			}
		}
	}
}
