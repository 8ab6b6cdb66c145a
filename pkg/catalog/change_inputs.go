package catalog

import (
	"maps"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// inputs tells what the newer schema refuses and the older one took. Each of these is certain: there are inputs that
// show it, unless the older schema took none.
func (d *difference) inputs(at string, before, now Job) {
	if now.schema == nil {
		return
	}
	at += ".schema"
	const letters = "messages that wait and do not follow it become dead letters (schema)"
	if before.schema == nil {
		d.add(InputsChange, at, "", now.Schema, "inputs were any JSON objects, and now follow a schema; %s", letters)
		return
	}
	for _, name := range slices.Sorted(maps.Keys(required(now.schema))) {
		if !required(before.schema)[name] {
			d.add(InputsChange, at, "", "required: "+printable(name), "an input without it was taken and is refused; %s", letters)
		}
	}
	d.properties(at, before.schema, now.schema, letters)
}

// required lists the names that a schema requires of every object.
func required(root *jsonschema.Schema) map[string]bool {
	names := map[string]bool{}
	for s := range reach(root, asserted) {
		for _, name := range s.Required {
			names[name] = true
		}
	}
	return names
}

// properties compares what two schemas say of the properties that either names.
func (d *difference) properties(at string, before, now *jsonschema.Schema, letters string) {
	for _, name := range slices.Sorted(maps.Keys(named(before, now))) {
		switch {
		case isClosedTo(before, name):
		case isClosedTo(now, name):
			d.add(InputsChange, at, "/"+escapedToken.Replace(printable(name)), "", "an input with it was taken and is refused; %s", letters)
		default:
			d.property(at, name, before.Properties[name], now.Properties[name], letters)
		}
	}
}

func named(schemas ...*jsonschema.Schema) map[string]bool {
	names := map[string]bool{}
	for _, s := range schemas {
		for name := range s.Properties {
			names[name] = true
		}
	}
	return names
}

// property compares what two schemas say of one property at their top level.
func (d *difference) property(at, name string, before, now *jsonschema.Schema, letters string) {
	was, is := typesOf(before), typesOf(now)
	lost := slices.DeleteFunc(slices.Clone(was), func(one string) bool {
		return slices.Contains(is, one) || one == "integer" && slices.Contains(is, "number")
	})
	if len(lost) > 0 {
		where := "/" + escapedToken.Replace(printable(name)) + ": "
		d.add(InputsChange, at, where+strings.Join(was, " or "), where+strings.Join(is, " or "), "a value of type %s was taken and is refused; %s", strings.Join(lost, " or "), letters)
	}
}

// everyType is what a schema takes that says nothing of types.
var everyType = []string{"array", "boolean", "null", "number", "object", "string"}

func typesOf(s *jsonschema.Schema) []string {
	for s != nil && s.Types == nil && s.Ref != nil {
		s = s.Ref
	}
	if s == nil || s.Types == nil {
		return everyType
	}
	return s.Types.ToStrings()
}
