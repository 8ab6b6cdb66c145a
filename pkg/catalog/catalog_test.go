package catalog_test

import (
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"time"
	_ "time/tzdata" // the tests name time zones wherever they run

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"oprun.example/pkg/catalog"
	"oprun.example/pkg/dedupe"
)

// declared compares what catalogues declare and leaves their compiled parts out.
var declared = cmpopts.IgnoreUnexported(catalog.Catalog{}, catalog.Job{}, catalog.Schedule{}, catalog.Handler{})

func load(t *testing.T) *catalog.Catalog {
	t.Helper()
	c, err := catalog.Load("testdata/jobs.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// inGo is testdata/jobs.yaml, declared by a Go user.
func inGo() catalog.Catalog {
	return catalog.Catalog{
		Jobs: map[string]catalog.Job{
			"assignments.fetch": {
				Label: "Fetch assignments", ScopeKind: dedupe.TenantScope, Identity: []string{"connection_id", "policy_type"},
				Cooldown: 15 * time.Minute, Schema: "schemas/assignments.fetch.json", CEType: "com.example.assignments.fetch",
				Timeout: 10 * time.Minute, ExpectedDuration: 2 * time.Minute, Counts: []string{"policies"},
				StaleAfter: catalog.StaleAfter{Queued: 15 * time.Minute, Running: 20 * time.Minute},
			},
			"assignments.fetch_all": {ScopeKind: dedupe.WorkspaceScope, Identity: []string{}},
			"assignments.restore": {
				ScopeKind: dedupe.TenantScope, Identity: []string{"assignment_id"}, IdentityMode: dedupe.OnceMode,
			},
		},
		Schedules: map[string]catalog.Schedule{
			"assignments.nightly": {
				Type: "assignments.fetch_all", Cron: "0 3 * * *", TimeZone: "Europe/Berlin", Input: []byte(`{"full":true}`),
			},
			"assignments.often": {Type: "assignments.fetch_all", Cron: "@every 10m"},
		},
		Handlers: map[string]catalog.Handler{
			"assignments.fetch":   {HTTP: "http://${FETCH_HOST}:9000/fetch", BearerEnv: "FETCH_TOKEN"},
			"assignments.restore": {Exec: []string{"./restore", "--json"}, Concurrency: 4},
		},
	}
}

func TestFileAndGoStructsMakeTheSameCatalogue(t *testing.T) {
	t.Parallel()
	fromGo, err := catalog.New(inGo(), os.DirFS("testdata"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(fromGo, load(t), declared); diff != "" {
		t.Errorf("-Go +file:\n%s", diff)
	}
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	c := load(t)
	want := catalog.Job{
		Label: "assignments.fetch_all", ScopeKind: dedupe.WorkspaceScope, Identity: []string{},
		Timeout: 15 * time.Minute, Lease: 30 * time.Second,
		Retry:            catalog.Retry{MaxAttempts: 5, Initial: time.Second, Max: 5 * time.Minute},
		ExpectedDuration: 15 * time.Minute,
		StaleAfter:       catalog.StaleAfter{Queued: 45 * time.Minute, Running: 45 * time.Minute},
	}
	if diff := cmp.Diff(want, c.Jobs["assignments.fetch_all"], declared); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got := string(c.Schedules["assignments.often"].Input); got != "{}" {
		t.Errorf("a schedule's input is %s", got)
	}
	if got := c.Handlers["assignments.fetch"].Concurrency; got != 128 {
		t.Errorf("an http handler has concurrency %d", got)
	}
}

func TestStaleAfterIsFiveMinutesAtLeast(t *testing.T) {
	t.Parallel()
	c, err := catalog.New(catalog.Catalog{Jobs: map[string]catalog.Job{
		"a.b": {ScopeKind: dedupe.TenantScope, Identity: []string{}, ExpectedDuration: time.Second},
	}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Jobs["a.b"].StaleAfter; got.Queued != 5*time.Minute || got.Running != 5*time.Minute {
		t.Errorf("stale after %+v", got)
	}
}

func TestRuleIsWhatTheJobDeclares(t *testing.T) {
	t.Parallel()
	c := load(t)
	want := dedupe.Rule{Mode: dedupe.OnceMode, Inputs: []string{"assignment_id"}}
	if diff := cmp.Diff(want, c.Jobs["assignments.restore"].Rule()); diff != "" {
		t.Error(diff)
	}
}

func TestAliasNamesTheJobType(t *testing.T) {
	t.Parallel()
	c := load(t)
	for ceType, want := range map[string]string{
		"com.example.assignments.fetch": "assignments.fetch", "assignments.restore": "assignments.restore", "com.example.other": "", "": "",
	} {
		if got, ok := c.Alias(ceType); got != want || ok != (want != "") {
			t.Errorf("%q stands for %q (%t)", ceType, got, ok)
		}
	}
}

func TestDeclarationIsCopied(t *testing.T) {
	t.Parallel()
	declared := inGo()
	c, err := catalog.New(declared, os.DirFS("testdata"))
	if err != nil {
		t.Fatal(err)
	}
	delete(declared.Jobs, "assignments.fetch")
	if _, ok := c.Jobs["assignments.fetch"]; !ok {
		t.Error("the catalogue changed with the declaration it was made from")
	}
}

func TestEmptySectionsAreNone(t *testing.T) {
	t.Parallel()
	c, err := catalog.Parse("jobs.yaml", []byte("version: 1\njobs:\nschedules:\nhandlers: {}\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	none, err := catalog.New(catalog.Catalog{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(none, c, declared); diff != "" {
		t.Errorf("-none +empty:\n%s", diff)
	}
}

func TestScheduleInputKeepsItsNumbersAndText(t *testing.T) {
	t.Parallel()
	const text = `
version: 1
jobs: {a.b: {scope: workspace, identity: []}}
schedules:
  nightly:
    type: a.b
    cron: "@every 1h"
    input: {big: 9007199254740993, hex: 0x10, small: 1.50, yes: True, none: ~, day: 2026-03-29, text: "1", list: [a, [b], {}], "quo\"te": "\u0001"}
`
	c, err := catalog.Parse("jobs.yaml", []byte(text), fstest.MapFS{})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"big":9007199254740993,"hex":16,"small":1.50,"yes":true,"none":null,"day":"2026-03-29","text":"1","list":["a",["b"],{}],"quo\"te":"\u0001"}`
	if got := string(c.Schedules["nightly"].Input); got != want {
		t.Errorf("input is\n%s, want\n%s", got, want)
	}
}

func TestLoadNamesAMissingFile(t *testing.T) {
	t.Parallel()
	if _, err := catalog.Load("testdata/none.yaml"); err == nil || !strings.Contains(err.Error(), "testdata/none.yaml") {
		t.Error(err)
	}
}
