package catalog_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"oprun.example/pkg/catalog"
	"oprun.example/pkg/dedupe"
)

// older is a catalogue that the tests change.
const older = `version: 1
jobs:
  a.active: {scope: tenant, identity: [x, y], cooldown: 1m}
  a.request: {scope: tenant, identity: [x], identity_mode: request}
  a.once: {scope: workspace, identity: [], identity_mode: once, ce_type: com.example.once}
schedules:
  daily: {type: a.once, cron: "0 3 * * *", time_zone: Europe/Berlin}
  often: {type: a.once, cron: "@every 10m"}
`

func parsed(t *testing.T, text string) *catalog.Catalog {
	t.Helper()
	c, err := catalog.Parse("jobs.yaml", []byte(text), fstest.MapFS{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// changed is the older catalogue with some of its text replaced: each from is followed by its to.
func changed(t *testing.T, edits ...string) string {
	t.Helper()
	text := older
	for i := 0; i < len(edits); i += 2 {
		if !strings.Contains(text, edits[i]) {
			t.Fatalf("the catalogue does not hold %q", edits[i])
		}
		text = strings.Replace(text, edits[i], edits[i+1], 1)
	}
	return text
}

// vector is one job of the older catalogue, asked for in the same way under both.
type vector struct {
	name     string
	identity func(c *catalog.Catalog) (string, error)
}

// vectors are what the older catalogue's jobs and fires are known by.
func vectors() []vector {
	id := uuid.MustParse("6f9619ff-8b86-4d01-b42d-00c04fc964ff")
	occurrence := dedupe.ByRequest("request-7", time.Time{})
	scope := func(kind dedupe.ScopeKind) dedupe.Scope { return dedupe.Scope{Kind: kind, ID: id} }
	var list []vector
	for _, jobType := range []string{"a.active", "a.request", "a.once"} {
		list = append(list, vector{"jobs[" + jobType + "]", func(c *catalog.Catalog) (string, error) {
			job, ok := c.Jobs[jobType]
			if !ok {
				return "gone", nil
			}
			identity, err := job.Rule().Identify(scope(job.ScopeKind), jobType, []byte(`{"x":1,"y":"two","z":[3]}`), occurrence)
			return identity.MsgID(""), err
		}})
	}
	for _, name := range []string{"daily", "often"} {
		list = append(list, vector{"schedules[" + name + "]", func(c *catalog.Catalog) (string, error) {
			s, ok := c.Schedules[name]
			if !ok {
				return "gone", nil
			}
			fire := time.Date(2026, 3, 29, 1, 0, 0, 0, time.UTC)
			return dedupe.ScheduleIdentity(scope(c.Jobs[s.Type].ScopeKind), s.Type, name, fire).MsgID(""), nil
		}})
	}
	return list
}

// What Changes says of identities is what dedupe makes of them: it names every job whose identity is another, and no
// other.
func TestChangesOfIdentitiesAreThoseThatDedupeSees(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		edits []string
		want  string // effect, field: was -> now; one a line
	}{
		"nothing":                     {nil, ""},
		"the order of inputs":         {[]string{"[x, y]", "[y, x]"}, ""},
		"times, labels and policies":  {[]string{"cooldown: 1m", "label: Other, timeout: 1h, lease: 5s, on_duplicate: follow_up, counts: [n], retry: {max_attempts: 9}"}, ""},
		"a job more":                  {[]string{"schedules:", "  a.new: {scope: tenant, identity: []}\nschedules:"}, ""},
		"a schedule's input":          {[]string{`"@every 10m"`, `"@every 10m", input: {full: true}`}, ""},
		"an input more":               {[]string{"[x, y]", "[x, y, z]"}, "identity jobs[a.active].identity: [x, y] -> [x, y, z]"},
		"an input less":               {[]string{"[x, y]", "[x]"}, "identity jobs[a.active].identity: [x, y] -> [x]"},
		"another input":               {[]string{"identity: [x],", "identity: [y],"}, "identity jobs[a.request].identity: [x] -> [y]"},
		"another mode":                {[]string{"identity_mode: request", "identity_mode: once"}, "identity jobs[a.request].identity_mode: request -> once"},
		"the default mode written":    {[]string{"cooldown: 1m", "identity_mode: active"}, ""},
		"another scope":               {[]string{"a.request: {scope: tenant", "a.request: {scope: workspace"}, "identity jobs[a.request].scope: tenant -> workspace"},
		"scope and inputs":            {[]string{"a.active: {scope: tenant, identity: [x, y]", "a.active: {scope: workspace, identity: []"}, "identity jobs[a.active].scope: tenant -> workspace\nidentity jobs[a.active].identity: [x, y] -> []"},
		"a new name":                  {[]string{"a.active", "b.active"}, "identity jobs[a.active]: a.active -> b.active"},
		"a type that has gone":        {[]string{"  a.request: {scope: tenant, identity: [x], identity_mode: request}\n", ""}, "identity jobs[a.request]: a.request -> "},
		"a schedule's new name":       {[]string{"daily:", "nightly:"}, "identity schedules[daily]: daily -> nightly"},
		"a schedule's other type":     {[]string{`  often: {type: a.once`, `  often: {type: a.active`}, "identity schedules[often].type: a.once -> a.active"},
		"a schedule's other clock":    {[]string{`"0 3 * * *"`, `"0 4 * * *"`, "Europe/Berlin", "Europe/Paris"}, "fires schedules[daily].cron: 0 3 * * * -> 0 4 * * *\nfires schedules[daily].time_zone: Europe/Berlin -> Europe/Paris"},
		"a schedule's zone left out":  {[]string{", time_zone: Europe/Berlin", ""}, "fires schedules[daily].time_zone: Europe/Berlin -> UTC"},
		"a schedule that is gone":     {[]string{"  often: {type: a.once, cron: \"@every 10m\"}\n", ""}, "fires schedules[often]: often -> "},
		"a name in CloudEvents":       {[]string{"ce_type: com.example.once", "ce_type: com.example.twice"}, "inputs jobs[a.once].ce_type: com.example.once -> com.example.twice"},
		"a name in CloudEvents moved": {[]string{", ce_type: com.example.once", "", "cooldown: 1m", "ce_type: com.example.once"}, "inputs jobs[a.once].ce_type: com.example.once -> "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before, now := parsed(t, older), parsed(t, changed(t, test.edits...))
			changes := now.Changes(before)
			if diff := cmp.Diff(test.want, lines(changes)); diff != "" {
				t.Errorf("changes (-want +got):\n%s", diff)
			}
			for _, v := range vectors() {
				wantAgreement(t, v, before, now, changes)
			}
		})
	}
}

func lines(changes []catalog.Change) string {
	list := make([]string, len(changes))
	for i, c := range changes {
		list[i] = fmt.Sprintf("%s %s: %s -> %s", c.Effect, c.Field, c.Was, c.Now)
	}
	return strings.Join(list, "\n")
}

// wantAgreement compares identities under both catalogues with what is said of them.
func wantAgreement(t *testing.T, v vector, before, now *catalog.Catalog, changes []catalog.Change) {
	t.Helper()
	was, err := v.identity(before)
	if err != nil {
		t.Fatal(err)
	}
	is, err := v.identity(now)
	if err != nil {
		t.Fatal(err)
	}
	said := false
	for _, c := range changes {
		gone := c.Effect == catalog.FiresChange && c.Now == "" && c.Field == v.name // a schedule that fires no more has no identities
		said = said || strings.HasPrefix(c.Field, v.name) && (c.Effect == catalog.IdentityChanges || gone)
	}
	if said != (was != is) {
		t.Errorf("%s is called changed: %t; it was %s and is %s", v.name, said, was, is)
	}
}

// Whatever two declarations of a type say: an identity is called changed when it has, and not when it has not.
func TestChangesOfAnyTwoDeclarations(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		before, now := declaration(t, "before"), declaration(t, "now")
		changes := now.Changes(before)
		said := false
		for _, c := range changes {
			if c.Means == "" || c.Was == c.Now {
				t.Errorf("%+v says nothing", c)
			}
			said = said || c.Effect == catalog.IdentityChanges
		}
		was, is := identityOf(t, before), identityOf(t, now)
		if said != (was != is) {
			t.Errorf("called changed: %t; it was %+v and is %+v: %s", said, was, is, lines(changes))
		}
	})
}

// declaration is a catalogue of one type.
func declaration(t *rapid.T, label string) *catalog.Catalog {
	job := catalog.Job{
		Label:        rapid.SampledFrom([]string{"", "One", "Two"}).Draw(t, label+" label"),
		ScopeKind:    rapid.SampledFrom([]dedupe.ScopeKind{dedupe.TenantScope, dedupe.WorkspaceScope}).Draw(t, label+" scope"),
		Identity:     rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"x", "y", "z"}), 0, 3, rapid.ID[string]).Draw(t, label+" identity"),
		IdentityMode: rapid.SampledFrom([]dedupe.Mode{dedupe.ActiveMode, dedupe.ActiveMode, dedupe.RequestMode, dedupe.OnceMode}).Draw(t, label+" mode"),
		Timeout:      rapid.SampledFrom([]time.Duration{0, time.Minute}).Draw(t, label+" timeout"),
	}
	if job.IdentityMode == dedupe.ActiveMode {
		job.Cooldown = rapid.SampledFrom([]time.Duration{0, time.Minute}).Draw(t, label+" cooldown")
	}
	job.Identity = append([]string{}, job.Identity...)
	c, err := catalog.New(catalog.Catalog{Jobs: map[string]catalog.Job{"a.b": job}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func identityOf(t *rapid.T, c *catalog.Catalog) dedupe.Identity {
	job := c.Jobs["a.b"]
	id := uuid.MustParse("6f9619ff-8b86-4d01-b42d-00c04fc964ff")
	identity, err := job.Rule().Identify(dedupe.Scope{Kind: job.ScopeKind, ID: id}, "a.b", []byte(`{"x":1,"y":null,"z":"a"}`), dedupe.ByRequest("r", time.Time{}))
	if err != nil {
		t.Fatal(err)
	}
	return identity
}
