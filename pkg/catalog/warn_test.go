package catalog_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"oprun.example/pkg/catalog"
)

// checked is a job of testType a.b, with a schema of these texts; more fields begin on line 6.
func checked(identity, fields string) string {
	return "version: 1\njobs:\n  a.b:\n    scope: tenant\n    identity: " + identity + "\n    schema: s.json\n" + indent(fields)
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	const s = `{"type": "object", "required": ["p"], "properties": {"p": {"type": "string"}}}`
	for name, test := range map[string]struct{ text, schema, want string }{
		"nothing":               {checked("[p]", "timeout: 10m\nce_type: com.example.b"), s, ""},
		"nothing to be said of": {checked("[]", ""), `true`, ""},
		"no schema":             {job(""), "", "jobs.yaml:3: jobs[a.b]: has no schema: whatever is a JSON object is taken for its input"},
		"its own name for CloudEvents": {
			checked("[p]", "ce_type: a.b"), s, "jobs.yaml:7: jobs[a.b].ce_type: is the job type itself, which CloudEvents may always be called: remove it",
		},
		"called stale while it works": {
			checked("[p]", "timeout: 1h\nexpected_duration: 1m\nstale_after: {queued: 1m}"), s,
			"jobs.yaml:9: jobs[a.b].stale_after.running: 5m is shorter than timeout, 1h: a run is called stale while its first attempt may still be at work",
		},
		"expected for longer than it may take": {
			checked("[p]", "timeout: 1m\nexpected_duration: 2m"), s, "jobs.yaml:8: jobs[a.b].expected_duration: 2m is longer than timeout, 1m: what is expected is cut off",
		},
		"an identity that is not required": {
			checked("[p, q]", ""), s, `jobs.yaml:5: jobs[a.b].identity[1]: "q" is not required by s.json: an input without it passes the schema and is refused all the same, as identity_input_missing`,
		},
		"an identity required elsewhere": {checked("[p]", ""), `{"allOf": [{"$ref": "#/$defs/x"}], "$defs": {"x": {"required": ["p"]}}}`, ""},
		"an identity required by chance": {
			checked("[p]", ""), `{"anyOf": [{"required": ["p"]}, true]}`, `jobs.yaml:5: jobs[a.b].identity[0]: "p" is not required by s.json: an input without it passes the schema and is refused all the same, as identity_input_missing`,
		},
		"an identity that no input has": {
			checked("[p]", ""), `{"required": ["p"], "properties": {"q": true}, "additionalProperties": false}`, `jobs.yaml:5: jobs[a.b].identity[0]: "p" is no property that s.json takes: every job is refused`,
		},
		"an identity by pattern": {checked("[p]", ""), `{"required": ["p"], "patternProperties": {"^p": true}, "additionalProperties": false}`, ""},
		"an identity that is a number": {
			checked("[p]", ""), `{"required": ["p"], "properties": {"p": {"$ref": "#/$defs/n"}}, "$defs": {"n": {"type": ["number", "null"]}}}`,
			`jobs.yaml:5: jobs[a.b].identity[0]: "p" may be a number with a fraction in s.json: one that double precision would change is refused, so use integer or string`,
		},
		"an identity of 64 bits": {
			checked("[p]", ""), `{"required": ["p"], "properties": {"p": {"type": "integer", "maximum": 9223372036854775807}}}`,
			`jobs.yaml:5: jobs[a.b].identity[0]: "p" may be an integer beyond 2^53 in s.json: most of those are refused as inexact, so use string`,
		},
		"an identity of 53 bits": {checked("[p]", ""), `{"required": ["p"], "properties": {"p": {"type": "integer", "maximum": 9007199254740992}}}`, ""},
		"a schema of no object": {
			checked("[]", ""), `{"type": ["array", "null"]}`, "jobs.yaml:6: jobs[a.b].schema: s.json takes no object, and an input is one: every job is refused",
		},
		"formats that nobody knows": {
			checked("[]", ""), `{"properties": {"p": {"format": "datetime"}, "q": {"items": {"format": "idn-email"}}, "r": {"format": "date-time"}, "format": {"const": {"format": "x"}}}}`,
			"jobs.yaml:6: jobs[a.b].schema: s.json names the format \"datetime\", which is not known here: it is not checked\n" +
				"jobs.yaml:6: jobs[a.b].schema: s.json names the format \"idn-email\", which is not known here: it is not checked",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := catalog.Parse("jobs.yaml", []byte(test.text), fstest.MapFS{"s.json": file(test.schema)})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, c.Warnings().Error()); diff != "" {
				t.Errorf("warnings (-want +got):\n%s", diff)
			}
		})
	}
}

// A warning that says that a job is refused is true.
func TestJobsThatWarningsCallRefusedAre(t *testing.T) {
	t.Parallel()
	const input = `{"p":"a"}`
	for schema, refused := range map[string]bool{
		`{"required": ["p"], "properties": {"q": true}, "additionalProperties": false}`:  true,
		`{"required": ["p"], "allOf": [{"additionalProperties": false}]}`:                true,
		`{"required": ["p"], "properties": {"p": false}, "additionalProperties": false}`: true,
		`{"required": ["p"], "allOf": [{"type": "array"}]}`:                              true,
		`{"required": ["p"], "anyOf": [{"additionalProperties": false}, true]}`:          false,
		`{"required": ["p"], "properties": {"p": true}, "additionalProperties": false}`:  false,
	} {
		c, err := catalog.Parse("jobs.yaml", []byte(checked("[p]", "")), fstest.MapFS{"s.json": file(schema)})
		if err != nil {
			t.Fatal(err)
		}
		if said := strings.Contains(c.Warnings().Error(), "every job is refused"); said != refused {
			t.Errorf("%s is said to refuse every job: %t", schema, said)
		}
		if err := c.Jobs["a.b"].ValidateInput([]byte(input)); (err != nil) != refused {
			t.Errorf("%s: %v", schema, err)
		}
	}
}
