package catalog_test

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"oprun.example/pkg/catalog"
	"oprun.example/pkg/dedupe"
)

// bundled are schemas that refer in every way there is, each with inputs of which it takes some and refuses some.
var bundled = map[string]struct {
	files  fstest.MapFS
	inputs []string
}{
	"of one file": {
		fstest.MapFS{"s.json": file(`{"properties": {"n": {"maximum": 9007199254740993, "pattern": "<a&b>"}}}`)},
		[]string{`{"n":9007199254740993}`, `{"n":9007199254740994}`},
	},
	"of nothing": {fstest.MapFS{"s.json": file(`false`)}, []string{`{}`}},
	"of two files in two folders": {
		fstest.MapFS{
			"s.json":        file(`{"properties": {"id": {"$ref": "b/ids.json#/$defs/id"}, "at": {"$ref": "b/ids.json"}}}`),
			"b/ids.json":    file(`{"type": "array", "items": {"$ref": "more.json#/x/y"}, "$defs": {"id": {"$ref": "#/$defs/uuid"}, "uuid": {"format": "uuid"}, "other": {"$ref": "none.json"}}}`),
			"b/more.json":   file(`{"x": {"y": {"enum": [1, "a"]}, "z": {"$ref": "none.json"}}}`),
			"unrelated.txt": file(`no JSON`),
		},
		[]string{`{"id":"a"}`, `{"id":"8b1f5c1e-6a43-4a5e-9d55-0d6c2f5c9a11"}`, `{"at":[1,"a"]}`, `{"at":[2]}`, `{"at":1}`},
	},
	"by anchor and id": {
		fstest.MapFS{
			"s.json":  file(`{"$id": "https://example.com/s", "properties": {"a": {"$ref": "#word"}, "b": {"$ref": "https://example.com/t#number"}}, "$defs": {"w": {"$anchor": "word", "type": "string"}, "t": {"$id": "t", "$defs": {"n": {"$anchor": "number", "type": "number"}}}}}`),
			"un.json": file(`{}`),
		},
		[]string{`{"a":"x"}`, `{"a":1}`, `{"b":1}`, `{"b":"x"}`},
	},
	"to itself": {
		fstest.MapFS{"s.json": file(`{"properties": {"next": {"$ref": "#"}, "n": {"type": "integer"}}, "required": ["n"]}`)},
		[]string{`{"n":1,"next":{"n":2}}`, `{"n":1,"next":{"n":2,"next":{}}}`},
	},
	"beside other rules": {
		fstest.MapFS{
			"s.json": file(`{"properties": {"a": {"$ref": "o.json#/$defs/a", "minLength": 2, "allOf": [{"maxLength": 3}]}}, "$ref": "o.json", "unevaluatedProperties": false}`),
			"o.json": file(`{"properties": {"b": true}, "$defs": {"a": {"type": "string"}}}`),
		},
		[]string{`{"a":"x"}`, `{"a":"xx"}`, `{"a":"xxxx"}`, `{"a":1}`, `{"b":1}`, `{"c":1}`},
	},
	"by a dynamic anchor": {
		fstest.MapFS{"s.json": file(`{"$dynamicRef": "#x", "$defs": {"x": {"$dynamicAnchor": "x", "required": ["p"]}}}`)},
		[]string{`{}`, `{"p":1}`},
	},
	"with names that pointers escape": {
		fstest.MapFS{"s.json": file(`{"properties": {"a/b": {"$ref": "#/$defs/ü~1 ~0%25"}}, "$defs": {"ü/ ~%": {"type": "string"}, "s.json": {}}}`)},
		[]string{`{"a/b":"x"}`, `{"a/b":1}`},
	},
	"with a property that is called as a reference is": {
		fstest.MapFS{"s.json": file(`{"properties": {"$ref": {"type": "string"}}, "then": {"$ref": "none.json"}}`)},
		[]string{`{"$ref":"x"}`, `{"$ref":1}`},
	},
	"with names like its files": {
		fstest.MapFS{
			"s.json": file(`{"properties": {"a": {"$ref": "o.json"}, "b": {"$ref": "#/$defs/o.json"}}, "$defs": {"o.json": {"type": "string"}}}`),
			"o.json": file(`{"type": "number"}`),
		},
		[]string{`{"a":"x"}`, `{"a":1}`, `{"b":"x"}`, `{"b":1}`},
	},
	"with every keyword that holds schemas": {
		fstest.MapFS{
			"s.json": file(`{"if": {"required": ["a"]}, "then": {"$ref": "o.json#/one"}, "else": {"$ref": "o.json#/two"}, "propertyNames": {"$ref": "o.json#/name"},
				"dependentSchemas": {"d": {"$ref": "o.json#/one"}}, "patternProperties": {"^l": {"prefixItems": [{"$ref": "o.json#/text"}], "items": {"$ref": "o.json#/list/1"}, "contains": {"$ref": "o.json#/text"}}},
				"additionalProperties": {"anyOf": [{"$ref": "o.json#/text"}, {"not": {"$ref": "o.json#/two"}}]}}`),
			"o.json": file(`{"one": {"required": ["p"]}, "two": {"required": ["q"]}, "name": {"maxLength": 2}, "text": {"type": "string"}, "list": [{"$ref": "none.json"}, {"type": "number"}]}`),
		},
		[]string{`{"a":"1"}`, `{"a":"1","p":"1"}`, `{"p":"1"}`, `{"q":"1"}`, `{"q":"1","long":"1"}`, `{"q":"1","d":"1"}`, `{"q":"1","l":["x",1]}`, `{"q":"1","l":["x","x"]}`, `{"q":"1","l":[1]}`},
	},
}

func file(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }

func jobOf(t *testing.T, files fstest.MapFS) catalog.Job {
	t.Helper()
	job := catalog.Job{ScopeKind: dedupe.TenantScope, Identity: []string{}, Schema: "s.json"}
	c, err := catalog.New(catalog.Catalog{Jobs: map[string]catalog.Job{"a.b": job}}, files)
	if err != nil {
		t.Fatal(err)
	}
	return c.Jobs["a.b"]
}

// A bundle is one file and says what the schema says, to the word.
func TestBundleAcceptsWhatTheSchemaAccepts(t *testing.T) {
	t.Parallel()
	for name, test := range bundled {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			job := jobOf(t, test.files)
			text, ok := job.Bundle("#")
			if !ok {
				t.Fatal("a job with a schema has no bundle")
			}
			alone := jobOf(t, fstest.MapFS{"s.json": file(string(text))})
			refused := 0
			for _, input := range test.inputs {
				want, got := said(job, input), said(alone, input)
				if got != want {
					t.Errorf("%s: the bundle says %q, the schema %q\n%s", input, got, want, text)
				}
				if want != "" {
					refused++
				}
			}
			if refused == 0 {
				t.Error("no input is refused: this shows nothing")
			}
		})
	}
}

func said(job catalog.Job, input string) string {
	if err := job.ValidateInput([]byte(input)); err != nil {
		return err.Error()
	}
	return ""
}

// Other documents take a bundle in; its references must lead to where it stands there, and nothing beside them.
func TestBundleRefersToNothingOutsideItself(t *testing.T) {
	t.Parallel()
	const base = "#/components/schemas/a.b"
	for name, test := range bundled {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, _ := jobOf(t, test.files).Bundle(base)
			again, _ := jobOf(t, test.files).Bundle(base)
			if diff := cmp.Diff(string(text), string(again)); diff != "" {
				t.Errorf("twice it is not the same: %s", diff)
			}
			var value any
			if err := json.Unmarshal(text, &value); err != nil {
				t.Fatal(err)
			}
			wantReferencesAlone(t, value, base)
		})
	}
}

func wantReferencesAlone(t *testing.T, value any, base string) {
	t.Helper()
	switch value := value.(type) {
	case []any:
		for _, item := range value {
			wantReferencesAlone(t, item, base)
		}
	case map[string]any:
		for name, member := range value {
			reference, isText := member.(string)
			if name == "$ref" && isText && (!strings.HasPrefix(reference, base) || len(value) > 1) {
				t.Errorf("%v does not stand alone, or leads elsewhere than below %s", value, base)
			}
			if name == "$id" || name == "$anchor" || name == "$dynamicRef" {
				t.Errorf("%s is left over in %v", name, value)
			}
			wantReferencesAlone(t, member, base)
		}
	}
}

func TestBundleOfNoSchema(t *testing.T) {
	t.Parallel()
	if text, ok := load(t).Jobs["assignments.fetch_all"].Bundle("#"); ok || text != nil {
		t.Errorf("a job without a schema has the bundle %s", text)
	}
}
