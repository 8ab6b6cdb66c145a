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
		d.add(InputsChange, at, "", printable(now.Schema), "inputs were any JSON objects, and now follow a schema; %s", letters)
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
	if !isClosed(before) && isClosed(now) {
		d.add(InputsChange, at, "", "additionalProperties: false", "an input with a property that the schema does not name was taken and is refused; %s", letters)
	}
	for _, name := range slices.Sorted(maps.Keys(named(before, now))) {
		where := "/" + escapedToken.Replace(printable(name))
		switch {
		case isClosedTo(before, name) || isClosed(now) && !isClosed(before) && !named(now)[name]:
		case isClosedTo(now, name):
			d.add(InputsChange, at, where, "", "an input with it was taken and is refused; %s", letters)
		default:
			d.property(at, where, name, before, now, letters)
		}
	}
}

func named(schemas ...*jsonschema.Schema) map[string]bool {
	names := map[string]bool{}
	for _, root := range schemas {
		for s := range reach(root, asserted) {
			for name := range s.Properties {
				names[name] = true
			}
		}
	}
	return names
}

// property tells which types of a property are refused now.
func (d *difference) property(at, where, name string, before, now *jsonschema.Schema, letters string) {
	was := surelyTakes(before, name)
	lost := slices.DeleteFunc(slices.Clone(was), func(one string) bool { return propertyTakes(now, name, one) })
	if len(lost) > 0 {
		kept := slices.DeleteFunc(slices.Clone(was), func(one string) bool { return slices.Contains(lost, one) })
		d.add(InputsChange, at, where+": "+strings.Join(was, " or "), where+": "+orNothing(kept), "a value of type %s was taken and is refused; %s", strings.Join(lost, " or "), letters)
	}
}

func orNothing(types []string) string {
	if len(types) == 0 {
		return "none of them"
	}
	return strings.Join(types, " or ")
}

// surelyTakes lists the types of which a schema is sure to take values for a property: none, when more than a list of
// types decides.
func surelyTakes(root *jsonschema.Schema, name string) []string {
	types := []string{"array", "boolean", "null", "number", "object", "string"}
	typed := 0
	for s := range reach(root, inPlace) {
		if s.Properties[name] == nil && slices.ContainsFunc(propertiesNamed(s, name), isThere) {
			return nil
		}
	}
	for _, s := range properties(root, name) {
		if s.Enum != nil || s.Const != nil || s.Not != nil || s.If != nil || s.Bool != nil || len(s.AnyOf)+len(s.OneOf) > 0 {
			return nil
		}
		if s.Types != nil {
			types, typed = s.Types.ToStrings(), typed+1
		}
	}
	if typed > 1 {
		return nil
	}
	return types
}

// propertyTakes reports whether a schema leaves a property of this type any chance.
func propertyTakes(root *jsonschema.Schema, name, one string) bool {
	for s := range reach(root, asserted) {
		if p := s.Properties[name]; p != nil && !takesType(p, one) {
			return false
		}
	}
	return true
}
