package asyncapi_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"oprun.example/internal/asyncapi"
	"oprun.example/pkg/catalog"
	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
)

const someone = "6f9619ff-8b86-4d01-b42d-00c04fc964ff"

// A subject that follows an address of the document is one that workers read as the job's, or write for its end.
func TestAddressesAreTheSubjectsOnTheWire(t *testing.T) {
	t.Parallel()
	c, err := catalog.Load("testdata/jobs.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, subjects := range []events.Subjects{{}, {Prefix: "acme.jobs", Events: "acme_ends"}} {
		doc := asyncapi.Describe(c, subjects)
		if len(doc.Channels) != 2*len(c.Jobs) {
			t.Errorf("%d channels for %d types", len(doc.Channels), len(c.Jobs))
		}
		for jobType, job := range c.Jobs {
			fill := strings.NewReplacer("{"+job.ScopeKind.String()+"_id}", someone, "{outcome}", "failed")
			scope, read, err := subjects.Parse(fill.Replace(doc.Channels[jobType].Address))
			if err != nil || read != jobType || scope.Kind != job.ScopeKind || scope.ID.String() != someone {
				t.Errorf("%s is read as %s of %s: %v", doc.Channels[jobType].Address, read, scope, err)
			}
			if got, want := fill.Replace(doc.Channels[jobType+"-ended"].Address), subjects.Terminal("failed", scope, jobType); got != want {
				t.Errorf("ends are told on %s, want %s", got, want)
			}
		}
	}
}

// What the document says of headers is what the codec takes.
func TestHeadersAreThoseThatTheCodecTakes(t *testing.T) {
	t.Parallel()
	schema := compiled(t, "JobHeaders")
	subject := events.Subjects{}.Subject(dedupe.Scope{Kind: dedupe.TenantScope}, "a.b")
	for name, values := range map[string]struct{ good, bad []string }{
		events.HeaderRunID:        {[]string{someone}, []string{"7", strings.ReplaceAll(someone, "-", "")}},
		events.HeaderRequestID:    {[]string{"order-7", strings.Repeat("x", 128)}, []string{"order 7", "ä", strings.Repeat("x", 129)}},
		events.HeaderOccurrence:   {[]string{"JOBS/7/1764126000000000000"}, []string{"JOBS/7", "JOBS/0/1", "JOBS/07/1", "/1/1"}},
		events.HeaderReplayedFrom: {[]string{"JOBS/7/1764126000000000000"}, []string{"JOBS/7", "JOBS/0/1", "JOBS/07/1", "/1/1"}},
		events.HeaderInitiator:    {[]string{"ada", strings.Repeat("ä", 128)}, []string{strings.Repeat("ä", 129)}},
		events.HeaderVersion:      {[]string{"1"}, []string{"2"}},
	} {
		for _, value := range slices.Concat(values.good, values.bad) {
			_, refused := events.Codec{}.Decode(events.Message{Subject: subject, Header: nats.Header{name: {value}}, Data: []byte(`{}`)})
			broken := schema.Validate(map[string]any{name: value})
			if want := slices.Contains(values.bad, value); (refused != nil) != want || (broken != nil) != want {
				t.Errorf("%s: %q: the codec says %v, the document %v", name, value, refused, broken)
			}
		}
	}
}

// compiled is a schema that stands alone in the document.
func compiled(t *testing.T, name string) *jsonschema.Schema {
	t.Helper()
	text, err := json.Marshal(describe(t).Components.Schemas[name])
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource("schema.json", value); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}
