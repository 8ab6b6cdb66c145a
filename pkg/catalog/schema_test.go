package catalog_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"oprun.example/pkg/catalog"
	"oprun.example/pkg/dedupe"
)

const id = `"connection_id":"8b1f5c1e-6a43-4a5e-9d55-0d6c2f5c9a11"`

func TestValidateInput(t *testing.T) {
	t.Parallel()
	job := load(t).Jobs["assignments.fetch"]
	const prefix = "input breaks schemas/assignments.fetch.json: "
	for name, c := range map[string]struct{ input, want string }{
		"a good input":             {`{` + id + `,"policy_type":"compliance","limit":1e1,"since":"2026-03-29T01:00:00Z"}`, ""},
		"no JSON":                  {`{`, "input is not JSON"},
		"more than one value":      {`{} {}`, "input is not JSON"},
		"another type":             {`[]`, prefix + "(the whole): type is array, want object"},
		"missing fields":           {`{}`, prefix + "(the whole): required: connection_id, policy_type"},
		"a value outside an enum":  {`{` + id + `,"policy_type":"hunter2"}`, prefix + "/policy_type: enum"},
		"a format in another file": {`{"connection_id":"hunter2","policy_type":"compliance"}`, prefix + "/connection_id: format uuid"},
		"a time that is none":      {`{` + id + `,"policy_type":"compliance","since":"hunter2"}`, prefix + "/since: format date-time"},
		"a number too large":       {`{` + id + `,"policy_type":"compliance","limit":4711}`, prefix + "/limit: maximum"},
		"a broken number":          {`{` + id + `,"policy_type":"compliance","limit":1.5}`, prefix + "/limit: type is number, want integer"},
		"a field too many":         {`{` + id + `,"policy_type":"compliance","b":1,"a\n":2}`, prefix + "(the whole): additionalProperties: a?, b"},
		"several at once":          {`{"connection_id":1,"policy_type":"compliance","tags":["a","B",3]}`, prefix + "/connection_id: type is number, want string; /tags/1: pattern; /tags/2: type is number, want string"},
		"very many at once":        {`{` + id + `,"policy_type":"compliance","tags":[1,2,3,4,5,6,7,8]}`, prefix + "/tags/0: type is number, want string; /tags/1: type is number, want string; /tags/2: type is number, want string; /tags/3: type is number, want string; /tags/4: type is number, want string; and 3 more"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := ""
			if err := job.ValidateInput([]byte(c.input)); err != nil {
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("%s\ngot  %s\nwant %s", c.input, got, c.want)
			}
		})
	}
}

func TestJobWithoutASchemaTakesEveryInput(t *testing.T) {
	t.Parallel()
	if err := load(t).Jobs["assignments.fetch_all"].ValidateInput([]byte(`{"any":1}`)); err != nil {
		t.Error(err)
	}
}

// withSchema returns a job whose input has to follow the schema.
func withSchema(t *testing.T, schema string, identity ...string) (catalog.Job, error) {
	t.Helper()
	files := fstest.MapFS{"s.json": {Data: []byte(schema)}}
	job := catalog.Job{ScopeKind: dedupe.TenantScope, Identity: append([]string{}, identity...), Schema: "s.json"}
	c, err := catalog.New(catalog.Catalog{Jobs: map[string]catalog.Job{"a.b": job}}, files)
	if err != nil {
		return job, err
	}
	return c.Jobs["a.b"], nil
}

// The validator writes numbers out: one of these costs a second, and beyond a million digits it panics.
func TestNumbersBeyondDoublePrecisionAreRefusedBeforeTheyCost(t *testing.T) {
	t.Parallel()
	job, err := withSchema(t, `{"properties": {"n": {"minimum": 1}, "list": {"uniqueItems": true}}}`)
	if err != nil {
		t.Fatal(err)
	}
	for input, where := range map[string]string{
		`{"n":1e401}`: "/n", `{"n":1E+1000001}`: "/n", `{"n":-1e-999999999999999999999}`: "/n", `{"list":[1,{"x":[0e500]}]}`: "/list/1/x/0",
	} {
		want := "input breaks s.json: " + where + ": a number beyond double precision"
		if err := job.ValidateInput([]byte(input)); err == nil || err.Error() != want {
			t.Errorf("%s: %v", input, err)
		}
	}
	if err := job.ValidateInput([]byte(`{"n":1.5e300,"e":"1e999"}`)); err != nil {
		t.Error(err)
	}
}

func TestRulesWithoutAKeywordOfTheirOwnAreNamed(t *testing.T) {
	t.Parallel()
	for schema, want := range map[string]string{
		`{"not": {}}`:                                                             "(the whole): not",
		`{"properties": {"a": false}}`:                                            "/a: nothing passes a",
		`{"unevaluatedProperties": false}`:                                        "/a: nothing passes unevaluatedProperties",
		`{"anyOf": [{"type": "array"}]}`:                                          "(the whole): anyOf",
		`{"allOf": [{"required": ["b"]}]}`:                                        "(the whole): required: b",
		`{"dependentRequired": {"a": ["b"]}}`:                                     "(the whole): dependentRequired: b",
		`{"propertyNames": {"pattern": "b"}}`:                                     "(the whole): propertyNames",
		`{"properties": {"a": {"contains": {}, "type": "array", "minItems": 2}}}`: "/a: minItems",
	} {
		job, err := withSchema(t, schema)
		if err != nil {
			t.Fatal(err)
		}
		if err := job.ValidateInput([]byte(`{"a":[1]}`)); err == nil || err.Error() != "input breaks s.json: "+want {
			t.Errorf("%s: %v", schema, err)
		}
	}
}

// What stands between the slashes of a place is spelt as RFC 6901 wants it, or a name with a slash would be two.
func TestPlacesAreJSONPointers(t *testing.T) {
	t.Parallel()
	job, err := withSchema(t, `{"additionalProperties": {"type": ["object", "array"], "additionalProperties": {"minimum": 2}, "items": false}}`)
	if err != nil {
		t.Fatal(err)
	}
	for input, want := range map[string]string{
		`{"a/b":{"c~d":1}}`: "/a~1b/c~0d: minimum", `{"":{"":1}}`: "//: minimum", `{"a":[1]}`: "/a/0: nothing passes items", `{"~1":1}`: "/~01: type is number, want array or object",
	} {
		if err := job.ValidateInput([]byte(input)); err == nil || err.Error() != "input breaks s.json: "+want {
			t.Errorf("%s: %v, want %s", input, err, want)
		}
	}
}

// A format is a rule and no remark: each of these is asserted, and named when it is broken.
func TestFormatsAreAsserted(t *testing.T) {
	t.Parallel()
	for format, values := range map[string]struct{ good, bad string }{
		"date-time": {"2026-03-29T01:00:00+02:00", "2026-03-29 01:00"}, "date": {"2024-02-29", "2026-02-29"}, "time": {"01:00:00Z", "25:00:00Z"},
		"duration": {"PT15M", "15m"}, "uuid": {"8b1f5c1e-6a43-4a5e-9d55-0d6c2f5c9a11", "8b1f5c1e6a434a5e9d550d6c2f5c9a11"},
		"email": {"ada@example.com", "ada at example.com"}, "hostname": {"example.com", "-example-.com"}, "ipv4": {"10.0.0.7", "10.0.0.256"},
		"ipv6": {"::1", "::g"}, "uri": {"https://example.com/a?b", "/a?b"}, "uri-reference": {"/a?b", `\\a`}, "json-pointer": {"/a~1b", "/a~b"},
		"regex": {"^a$", "(a"},
	} {
		job, err := withSchema(t, `{"properties": {"p": {"format": "`+format+`"}}}`)
		if err != nil {
			t.Fatal(err)
		}
		if err := job.ValidateInput([]byte(`{"p":"` + values.good + `"}`)); err != nil {
			t.Errorf("%s %q: %v", format, values.good, err)
		}
		if err := job.ValidateInput([]byte(`{"p":"` + values.bad + `"}`)); err == nil || err.Error() != "input breaks s.json: /p: format "+format {
			t.Errorf("%s %q: %v", format, values.bad, err)
		}
	}
}

// An error text goes to logs and dead letters: it holds no value of the input and fits into a line.
func TestErrorTextsAreBoundedAndHoldNoValues(t *testing.T) {
	t.Parallel()
	job, err := withSchema(t, `{"additionalProperties": {"const": 1, "format": "email", "pattern": "^x$", "maxLength": 1}}`)
	if err != nil {
		t.Fatal(err)
	}
	var members []string
	for i := range 500 {
		members = append(members, fmt.Sprintf(`"%s\u001b%d":"hunter2"`, strings.Repeat("k", 300), i))
	}
	err = job.ValidateInput([]byte("{" + strings.Join(members, ",") + "}"))
	if err == nil || len(err.Error()) > 1000 || strings.ContainsAny(err.Error(), "\x1b\n") || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("error text is %q", err)
	}
}

func TestSecretsAreFoundBehindEveryBranch(t *testing.T) {
	t.Parallel()
	const secret = `{"properties": {"p": {"writeOnly": true}}}`
	for _, schema := range []string{
		secret, `{"$ref": "#/$defs/x", "$defs": {"x": ` + secret + `}}`, `{"allOf": [` + secret + `]}`, `{"anyOf": [true, ` + secret + `]}`,
		`{"oneOf": [` + secret + `]}`, `{"if": true, "then": ` + secret + `}`, `{"if": {"required": ["q"]}, "else": ` + secret + `}`,
		`{"dependentSchemas": {"q": ` + secret + `}}`, `{"patternProperties": {"^p": {"writeOnly": true}}}`,
		`{"additionalProperties": {"writeOnly": true}}`, `{"unevaluatedProperties": {"writeOnly": true}}`,
		`{"properties": {"p": ` + secret + `}}`, `{"properties": {"p": {"items": {"writeOnly": true}}}}`,
		`{"properties": {"p": {"prefixItems": [true, {"writeOnly": true}]}}}`, `{"properties": {"p": {"additionalProperties": ` + secret + `}}}`,
		`{"properties": {"p": {"patternProperties": {"x": {"writeOnly": true}}}}}`, `{"properties": {"p": {"$ref": "#"}, "q": {"writeOnly": true}}}`,
		`{"$dynamicRef": "#x", "$defs": {"x": {"$dynamicAnchor": "x", "properties": {"p": {"writeOnly": true}}}}}`,
	} {
		if _, err := withSchema(t, schema, "p"); err == nil || !strings.Contains(err.Error(), `"p" is writeOnly`) {
			t.Errorf("%s: %v", schema, err)
		}
		if !strings.Contains(schema, "dditional") && !strings.Contains(schema, "nevaluated") {
			if _, err := withSchema(t, schema, "other"); err != nil {
				t.Errorf("another field is refused: %s: %v", schema, err)
			}
		}
	}
}

func TestSecretsBesideTheIdentityDoNotMatter(t *testing.T) {
	t.Parallel()
	const schema = `{"properties": {"p": {"type": "string"}, "q": {"writeOnly": true}}, "additionalProperties": {"writeOnly": true}}`
	if _, err := withSchema(t, schema, "p"); err != nil {
		t.Error(err)
	}
}

func BenchmarkValidateInput(b *testing.B) {
	c, err := catalog.Load("testdata/jobs.yaml")
	if err != nil {
		b.Fatal(err)
	}
	job, input := c.Jobs["assignments.fetch"], []byte(`{`+id+`,"policy_type":"compliance","limit":100,"tags":["a","b"]}`)
	b.ReportAllocs()
	for b.Loop() {
		if err := job.ValidateInput(input); err != nil {
			b.Fatal(err)
		}
	}
}
