package catalog

import (
	"bytes"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Bundle returns the job's schema as one JSON value that refers to nothing outside itself: what it takes from other
// files stands under $defs, by the name of the file. Base is where the value will stand, as a URI fragment: "#" for a
// document of its own, "#/components/schemas/x" for a part of another. It reports false for a job without a schema.
//
// The value accepts what the schema accepts. References begin with base, and stand alone in their object, because some
// readers take nothing beside them; of ids and anchors, which nothing refers to any more, there are none. A $dynamicRef
// is written as the $ref to where it leads in this schema.
func (j Job) Bundle(base string) (json.RawMessage, bool) {
	if j.schema == nil {
		return nil, false
	}
	b := bundle{base: base, root: j.Schema, schemas: map[place]*jsonschema.Schema{}, names: map[string]string{}}
	for s := range reach(j.schema, everywhere) {
		b.schemas[placeOf(s)] = s
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false) // patterns are for people, too
	if err := encoder.Encode(b.value(j.schemaFiles)); err != nil {
		panic("catalog: bundle " + j.Schema + ": " + err.Error()) // it was read as JSON
	}
	return bytes.TrimSpace(text.Bytes()), true
}

// place is where a schema stands: in which file, and there at which JSON pointer. What is no file of the catalogue has
// no file here; that is what every validator knows, such as the schema of schemas.
type place struct{ file, pointer string }

func placeOf(s *jsonschema.Schema) place {
	u, err := url.Parse(s.Location)
	if err != nil || u.Scheme != "file" {
		return place{pointer: s.Location}
	}
	return place{strings.TrimPrefix(u.Path, "/"), u.Fragment}
}

func (p place) member(name string) place {
	return place{p.file, p.pointer + "/" + escapedToken.Replace(name)}
}

// in returns the value that stands there, nil where nothing does.
func (p place) in(files map[string]any) any {
	value := files[p.file]
	for _, token := range strings.Split(p.pointer, "/")[1:] {
		switch whole := value.(type) {
		case map[string]any:
			value = whole[plainToken.Replace(token)]
		case []any:
			i, err := strconv.Atoi(token)
			if err != nil || i < 0 || i >= len(whole) {
				return nil
			}
			value = whole[i]
		default:
			return nil
		}
	}
	return value
}

var plainToken = strings.NewReplacer("~1", "/", "~0", "~")

// bundle makes one value of the files that a schema is made of.
type bundle struct {
	base, root string
	schemas    map[place]*jsonschema.Schema // all that have a say
	names      map[string]string            // of the files under $defs
}

func (b *bundle) value(files map[string]any) any {
	whole, ok := files[b.root].(map[string]any)
	if !ok { // true or false
		return files[b.root]
	}
	taken, _ := whole["$defs"].(map[string]any)
	for s := range b.schemas {
		if s.file != "" && s.file != b.root {
			b.names[s.file] = free(s.file, taken)
		}
	}
	whole, _ = b.copy(whole, place{file: b.root}).(map[string]any)
	if len(b.names) > 0 && whole["$defs"] == nil {
		whole["$defs"] = map[string]any{}
	}
	definitions, _ := whole["$defs"].(map[string]any)
	for file, name := range b.names {
		definitions[name] = b.copy(files[file], place{file: file})
	}
	return whole
}

func free(name string, taken map[string]any) string {
	for taken[name] != nil {
		name += "_"
	}
	return name
}

// copy returns a schema as it is in the bundle; of what is none, what leads to schemas.
func (b *bundle) copy(value any, at place) any {
	s, isSchema := b.schemas[at]
	switch value := value.(type) {
	case map[string]any:
		if isSchema {
			return b.schema(s, value, at)
		}
		return b.path(value, at)
	case []any:
		items := make([]any, len(value))
		for i, item := range value {
			items[i] = b.copy(item, at.member(strconv.Itoa(i)))
		}
		return items
	default:
		return value
	}
}

// path returns the members that lead to schemas.
func (b *bundle) path(object map[string]any, at place) map[string]any {
	kept := map[string]any{}
	for name, value := range object {
		if next := at.member(name); b.leads(next) {
			kept[name] = b.copy(value, next)
		}
	}
	return kept
}

// leads reports whether a schema stands at a place or below it.
func (b *bundle) leads(at place) bool {
	for s := range b.schemas {
		if s.file == at.file && (s.pointer == at.pointer || strings.HasPrefix(s.pointer, at.pointer+"/")) {
			return true
		}
	}
	return false
}

// schema returns the keywords of a schema.
func (b *bundle) schema(s *jsonschema.Schema, object map[string]any, at place) map[string]any {
	kept := map[string]any{}
	for name, value := range object {
		switch next := at.member(name); name {
		case "$ref", "$dynamicRef", "$id", "$anchor", "$dynamicAnchor", "$vocabulary":
		case "$schema":
			if next == (place{b.root, "/$schema"}) {
				kept[name] = value
			}
		case "$defs", "definitions", "if", "then", "else", "contentSchema": // nobody reads a then without its if
			if b.leads(next) {
				kept[name] = b.copy(value, next)
			}
		default:
			kept[name] = b.keyword(value, next)
		}
	}
	return b.refer(kept, s)
}

// keyword returns the value of a keyword: schemas, or what is no schema and stays as it is.
func (b *bundle) keyword(value any, at place) any {
	if !b.leads(at) {
		return value
	}
	if object, ok := value.(map[string]any); ok && b.schemas[at] == nil { // as in properties
		kept := make(map[string]any, len(object))
		for name, member := range object {
			kept[name] = b.keyword(member, at.member(name))
		}
		return kept
	}
	return b.copy(value, at)
}

// refer adds the references of a schema to its other keywords.
func (b *bundle) refer(kept map[string]any, s *jsonschema.Schema) map[string]any {
	var references []any
	if s.Ref != nil {
		references = append(references, map[string]any{"$ref": b.address(placeOf(s.Ref))})
	}
	if s.DynamicRef != nil {
		references = append(references, map[string]any{"$ref": b.address(placeOf(s.DynamicRef.Ref))})
	}
	if len(references) == 0 {
		return kept
	}
	if only, ok := references[0].(map[string]any); ok && len(references) == 1 && len(kept) == 0 {
		return only
	}
	all, _ := kept["allOf"].([]any)
	kept["allOf"] = slices.Concat(all, references)
	return kept
}

// address is what a $ref to a place says in the bundle.
func (b *bundle) address(to place) string {
	switch {
	case to.file == "":
		return to.pointer
	case to.file != b.root:
		to.pointer = "/$defs/" + escapedToken.Replace(b.names[to.file]) + to.pointer
	}
	return b.base + (&url.URL{Fragment: to.pointer}).EscapedFragment()
}
