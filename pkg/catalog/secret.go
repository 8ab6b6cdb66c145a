package catalog

import (
	"maps"
	"slices"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// secrets refuses an identity that would put a secret into a hash, where anyone who guesses it can check the guess.
func (r *report) secrets(at string, j Job) {
	for i, name := range j.Identity {
		if j.schema != nil && holdsSecret(j.schema, name) {
			r.breaks(item(at+".identity", i), "%.100q is writeOnly in %s: a secret is no part of an identity, remove it here", name, j.Schema)
		}
	}
}

// holdsSecret reports whether the schema marks the top-level property, or anything within it, as writeOnly. It
// follows every branch that might apply: better to refuse a name too many than to hash a password.
func holdsSecret(root *jsonschema.Schema, name string) bool {
	for s := range reach(root, inPlace) {
		for _, property := range propertiesNamed(s, name) {
			for inner := range reach(property, everywhere) {
				if inner.WriteOnly {
					return true
				}
			}
		}
	}
	return false
}

// reach returns a schema and all that next leads to from it, once each: schemas may refer to themselves.
func reach(from *jsonschema.Schema, next func(*jsonschema.Schema) []*jsonschema.Schema) map[*jsonschema.Schema]bool {
	seen := map[*jsonschema.Schema]bool{}
	for todo := []*jsonschema.Schema{from}; len(todo) > 0; {
		s := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if s != nil && !seen[s] {
			seen[s] = true
			todo = append(todo, next(s)...)
		}
	}
	return seen
}

// inPlace lists the schemas that speak of the same value as s.
func inPlace(s *jsonschema.Schema) []*jsonschema.Schema {
	list := []*jsonschema.Schema{s.Ref, s.If, s.Then, s.Else, s.Not}
	if s.DynamicRef != nil {
		list = append(list, s.DynamicRef.Ref)
	}
	list = slices.Concat(list, s.AllOf, s.AnyOf, s.OneOf)
	return slices.AppendSeq(list, maps.Values(s.DependentSchemas))
}

// everywhere lists the schemas that speak of the same value as s or of a part of it.
func everywhere(s *jsonschema.Schema) []*jsonschema.Schema {
	list := append(inPlace(s), s.Items2020, s.Contains, s.UnevaluatedItems, s.UnevaluatedProperties, s.PropertyNames, s.ContentSchema)
	list = append(list, s.PrefixItems...)
	list = slices.AppendSeq(list, maps.Values(s.Properties))
	list = slices.AppendSeq(list, maps.Values(s.PatternProperties))
	if additional, ok := s.AdditionalProperties.(*jsonschema.Schema); ok {
		list = append(list, additional)
	}
	return list
}

// propertiesNamed lists the schemas that s has for one property.
func propertiesNamed(s *jsonschema.Schema, name string) []*jsonschema.Schema {
	var list []*jsonschema.Schema
	if property, ok := s.Properties[name]; ok {
		list = append(list, property)
	}
	for pattern, property := range s.PatternProperties {
		if pattern.MatchString(name) {
			list = append(list, property)
		}
	}
	if additional, ok := s.AdditionalProperties.(*jsonschema.Schema); ok && len(list) == 0 {
		list = append(list, additional)
	}
	return append(list, s.UnevaluatedProperties)
}
