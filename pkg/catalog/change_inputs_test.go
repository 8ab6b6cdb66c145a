package catalog_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"oprun.example/pkg/catalog"
)

// What is said to be refused now has an input that shows it, and every input of the others is still taken.
func TestChangesOfInputs(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ before, now, want, witness string }{
		"the same":            {`{"required": ["a"]}`, `{"required": ["a"], "title": "A"}`, "", `{"a":1}`},
		"a schema at last":    {``, `{"required": ["a"]}`, " -> s.json", `{}`},
		"no schema any more":  {`{"required": ["a"]}`, ``, "", `{"a":1}`},
		"more is required":    {`{"required": ["a"]}`, `{"required": ["b", "a"]}`, " -> required: b", `{"a":1}`},
		"less is required":    {`{"required": ["a", "b"]}`, `{"required": ["a"]}`, "", `{"a":1,"b":1}`},
		"required by another": {`{}`, `{"$ref": "#/$defs/r", "$defs": {"r": {"required": ["a"]}}}`, " -> required: a", `{}`},
		"required before by another": {
			`{"allOf": [{"required": ["a"]}]}`, `{"required": ["a"]}`, "", `{"a":1}`,
		},
		"closed":             {`{"properties": {"a": true}}`, `{"properties": {"a": true}, "additionalProperties": false}`, " -> additionalProperties: false", `{"b":1}`},
		"opened":             {`{"additionalProperties": false}`, `{}`, "", `{}`},
		"a property less":    {`{"properties": {"a": true, "b": true}, "additionalProperties": false}`, `{"properties": {"a": true}, "additionalProperties": false}`, "/b -> ", `{"b":1}`},
		"a property more":    {`{"properties": {"a": true}, "additionalProperties": false}`, `{"properties": {"a": true, "b": {"type": "string"}}, "additionalProperties": false}`, "", `{"a":1}`},
		"a type less":        {`{"properties": {"a": {"type": ["string", "integer"]}}}`, `{"properties": {"a": {"type": "string"}}}`, "/a: integer or string -> /a: string", `{"a":1}`},
		"a type more":        {`{"properties": {"a": {"type": "string"}}}`, `{"properties": {"a": {"type": ["string", "null"]}}}`, "", `{"a":"x"}`},
		"a wider number":     {`{"properties": {"a": {"type": "integer"}}}`, `{"properties": {"a": {"type": "number"}}}`, "", `{"a":1}`},
		"a narrower number":  {`{"properties": {"a": {"type": "number"}}}`, `{"properties": {"a": {"type": "integer"}}}`, "/a: number -> /a: none of them", `{"a":1.5}`},
		"a type at last":     {`{}`, `{"properties": {"a": {"type": "string"}}}`, "/a: array or boolean or null or number or object or string -> /a: string", `{"a":1}`},
		"a type elsewhere":   {`{"properties": {"a": {"$ref": "#/$defs/t"}}, "$defs": {"t": {"type": "string"}}}`, `{"properties": {"a": {"allOf": [{"type": "number"}]}}}`, "/a: string -> /a: none of them", `{"a":"x"}`},
		"a type of an enum":  {`{"properties": {"a": {"enum": ["x"]}}}`, `{"properties": {"a": {"type": "string"}}}`, "", `{"a":"x"}`},
		"a type of the rest": {`{"additionalProperties": {"type": "string"}}`, `{"properties": {"a": {"type": "string"}}}`, "", `{"a":"x"}`},
		"a type by a branch": {`{"allOf": [{"properties": {"a": {"type": "string"}}}], "properties": {"a": true}}`, `{"properties": {"a": {"type": "string"}}}`, "", `{"a":"x"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before, now := inputCatalog(t, test.before), inputCatalog(t, test.now)
			changes := now.Changes(before)
			var got []string
			for _, c := range changes {
				if c.Effect != catalog.InputsChange || c.Field != "jobs[a.b].schema" || !strings.Contains(c.Means, "dead letters (schema)") {
					t.Errorf("%+v", c)
				}
				got = append(got, c.Was+" -> "+c.Now)
			}
			if diff := cmp.Diff(test.want, strings.Join(got, "\n")); diff != "" {
				t.Errorf("changes (-want +got):\n%s", diff)
			}
			if err := before.Jobs["a.b"].ValidateInput([]byte(test.witness)); err != nil {
				t.Errorf("the older schema does not take %s: %v", test.witness, err)
			}
			if err := now.Jobs["a.b"].ValidateInput([]byte(test.witness)); (err != nil) != (test.want != "") {
				t.Errorf("the newer schema says of %s: %v", test.witness, err)
			}
		})
	}
}

func inputCatalog(t *testing.T, schema string) *catalog.Catalog {
	t.Helper()
	text := checked("[]", "")
	if schema == "" {
		text = job("")
	}
	c, err := catalog.Parse("jobs.yaml", []byte(text), fstest.MapFS{"s.json": file(schema)})
	if err != nil {
		t.Fatal(err)
	}
	return c
}
