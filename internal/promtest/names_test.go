package promtest

import (
	"regexp"
	"strings"
	"testing"
)

// word is what a metric's name may look like; with colons it is that of a recording rule.
var word = regexp.MustCompile(`[a-zA-Z_:][a-zA-Z0-9_:]*`)

// expressions returns every piece of PromQL that Prometheus and Grafana are given, each with the place that it is from.
func expressions(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, r := range rules(t) {
		found[r.Expr] = "rule " + r.Alert + r.Record
	}
	for _, p := range panels(t) {
		for _, target := range p.Targets {
			found[target.Expr] = "panel " + p.Title
		}
	}
	return found
}

// named returns the metrics of consumers that rules, dashboards and the run book name, each with a place where.
func named(t *testing.T) map[string]string {
	t.Helper()
	names := map[string]string{}
	for expression, place := range expressions(t) {
		for _, name := range word.FindAllString(expression, -1) {
			if strings.HasPrefix(name, "oprun_") {
				names[name] = place
			}
		}
	}
	for _, name := range word.FindAllString(read(t, runbook), -1) {
		if strings.HasPrefix(name, "oprun_") {
			names[name] = runbook
		}
	}
	return names
}

func TestEveryRecordThatIsNamedIsMade(t *testing.T) {
	t.Parallel()
	records := map[string]bool{}
	for _, r := range rules(t) {
		records[r.Record] = true
	}
	for expression, place := range expressions(t) {
		for _, name := range word.FindAllString(expression, -1) {
			if strings.Contains(name, ":") && !records[name] {
				t.Errorf("%s: no rule makes %s", place, name)
			}
		}
	}
}
