package catalog_test

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"oprun.example/pkg/catalog"
	"oprun.example/pkg/dedupe"
)

// builtin is a catalogue that declares nothing.
func builtin(t *testing.T) *catalog.Catalog {
	t.Helper()
	c, err := catalog.New(catalog.Catalog{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestEveryCatalogueHasTheBuiltInTypes(t *testing.T) {
	t.Parallel()
	base := catalog.Job{
		ScopeKind: dedupe.WorkspaceScope, Identity: []string{}, Timeout: 10 * time.Minute, Lease: 30 * time.Second,
		Retry:            catalog.Retry{MaxAttempts: 5, Initial: time.Second, Max: 5 * time.Minute},
		ExpectedDuration: 10 * time.Minute, StaleAfter: catalog.StaleAfter{Queued: 30 * time.Minute, Running: 30 * time.Minute},
	}
	reconcile, expire := base, base
	reconcile.Label, reconcile.Counts, reconcile.Schema = "Reconcile adapter runs", []string{"candidates", "reconciled"}, "builtin/ops.reconcile_adapter_runs.json"
	expire.Label, expire.Counts, expire.Schema = "Delete expired runs", []string{"candidates"}, "builtin/ops.delete_expired_runs.json"
	want := map[string]catalog.Job{catalog.ReconcileAdapterRuns: reconcile, catalog.DeleteExpiredRuns: expire}
	for name, c := range map[string]*catalog.Catalog{"one that declares nothing": builtin(t), "one with types of its own": load(t)} {
		got := maps.Clone(c.Jobs)
		maps.DeleteFunc(got, func(jobType string, _ catalog.Job) bool { return !c.IsBuiltin(jobType) })
		if diff := cmp.Diff(want, got, declared); diff != "" {
			t.Errorf("%s: -want +got:\n%s", name, diff)
		}
	}
}

func TestBuiltInTypesAreToldFromTheUsersOwn(t *testing.T) {
	t.Parallel()
	c, err := catalog.New(catalog.Catalog{Jobs: map[string]catalog.Job{
		"ops.mine": {ScopeKind: dedupe.TenantScope, Identity: []string{}},
	}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for jobType, want := range map[string]bool{
		"ops.reconcile_adapter_runs": true, "ops.delete_expired_runs": true, "ops.mine": false, "ops.nobodys": false, "": false,
	} {
		if got := c.IsBuiltin(jobType); got != want {
			t.Errorf("%q is built in: %t", jobType, got)
		}
	}
	if got, ok := c.Alias(catalog.DeleteExpiredRuns); !ok || got != catalog.DeleteExpiredRuns {
		t.Errorf("in a CloudEvent it is %q", got)
	}
}

// Who asks for housekeeping twice gets one run of it, whatever the input.
func TestBuiltInTypesHaveOneIdentityInAWorkspace(t *testing.T) {
	t.Parallel()
	scope := dedupe.Workspace(uuid.MustParse("8b1f5c1e-6a43-4a5e-9d55-0d6c2f5c9a11"))
	rule := builtin(t).Jobs[catalog.ReconcileAdapterRuns].Rule()
	one, err := rule.Identify(scope, catalog.ReconcileAdapterRuns, []byte(`{}`), dedupe.Occurrence{})
	if err != nil {
		t.Fatal(err)
	}
	two, err := rule.Identify(scope, catalog.ReconcileAdapterRuns, []byte(`{"limit":1,"dry_run":true}`), dedupe.Occurrence{})
	if err != nil || one != two {
		t.Errorf("%v and %v, %v", one, two, err)
	}
}

func TestBuiltInTypesTakeNothingButTheirInput(t *testing.T) {
	t.Parallel()
	const reconcile, expire = catalog.ReconcileAdapterRuns, catalog.DeleteExpiredRuns
	for name, c := range map[string]struct{ jobType, input, want string }{
		"nothing to reconcile in particular": {reconcile, `{}`, ""},
		"all that can be said of it": {
			reconcile, `{"types":["assignments.fetch","a.b.c"],"tenants":["8b1f5c1e-6a43-4a5e-9d55-0d6c2f5c9a11"],"limit":10000,"dry_run":true}`, "",
		},
		"nothing to delete in particular":  {expire, `{}`, ""},
		"all that can be said of deleting": {expire, `{"limit":1,"dry_run":false}`, ""},
		"a type that is none":              {reconcile, `{"types":["Fetch"]}`, "/types/0: pattern"},
		"no types":                         {reconcile, `{"types":[]}`, "/types: minItems"},
		"a type that is no list":           {reconcile, `{"types":"a.b"}`, "/types: type is string, want array"},
		"a tenant that is none":            {reconcile, `{"tenants":["acme"]}`, "/tenants/0: format uuid"},
		"no tenants":                       {reconcile, `{"tenants":[]}`, "/tenants: minItems"},
		"a limit of nothing":               {reconcile, `{"limit":0}`, "/limit: minimum"},
		"a limit without end":              {reconcile, `{"limit":10001}`, "/limit: maximum"},
		"half a limit":                     {expire, `{"limit":1.5}`, "/limit: type is number, want integer"},
		"a dry run by name":                {expire, `{"dry_run":"yes"}`, "/dry_run: type is string, want boolean"},
		"types to delete":                  {expire, `{"types":["a.b"]}`, "(the whole): additionalProperties: types"},
		"a word too many":                  {reconcile, `{"dryrun":true}`, "(the whole): additionalProperties: dryrun"},
		"an input that is a list":          {expire, `[]`, "(the whole): type is array, want object"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := ""
			if err := builtin(t).Jobs[c.jobType].ValidateInput([]byte(c.input)); err != nil {
				got = strings.TrimPrefix(err.Error(), "input breaks builtin/"+c.jobType+".json: ")
			}
			if got != c.want {
				t.Errorf("%s\ngot  %s\nwant %s", c.input, got, c.want)
			}
		})
	}
}

func TestBuiltInSchedulesFireUnlessReplaced(t *testing.T) {
	t.Parallel()
	const text = `
version: 1
schedules:
  ops.delete_expired_runs: {type: ops.delete_expired_runs, cron: "0 3 * * *", time_zone: Europe/Berlin, input: {limit: 100}}
  ops.try: {type: ops.delete_expired_runs, cron: "@every 1m", input: {dry_run: true}}
`
	replaced, err := catalog.Parse("jobs.yaml", []byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		catalog *catalog.Catalog
		want    map[string]string // the fire time after noon, and the input
	}{
		"nothing declared": {builtin(t), map[string]string{
			"ops.reconcile_adapter_runs": "12:10 {}", "ops.delete_expired_runs": "13:00 {}",
		}},
		"one replaced and one added": {replaced, map[string]string{
			"ops.reconcile_adapter_runs": "12:10 {}", "ops.delete_expired_runs": `02:00 {"limit":100}`, "ops.try": `12:01 {"dry_run":true}`,
		}},
	} {
		got := map[string]string{}
		for name, s := range c.catalog.Schedules {
			got[name] = s.Next(at(t, "2026-01-10T12:00:00Z")).Format("15:04 ") + string(s.Input)
			if name != "ops.try" && s.Type != name {
				t.Errorf("%s is of type %s", name, s.Type)
			}
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: -want +got:\n%s", name, diff)
		}
	}
}

// The map of one catalogue is not that of another.
func TestCataloguesDoNotShareTheBuiltIns(t *testing.T) {
	t.Parallel()
	one := builtin(t)
	clear(one.Jobs)
	clear(one.Schedules)
	two, err := catalog.New(inGo(), os.DirFS("testdata"))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"assignments.fetch", "assignments.fetch_all", "assignments.restore", catalog.DeleteExpiredRuns, catalog.ReconcileAdapterRuns}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(two.Jobs))); diff != "" {
		t.Error(diff)
	}
	if len(two.Schedules) != 4 {
		t.Errorf("%d schedules", len(two.Schedules))
	}
}
