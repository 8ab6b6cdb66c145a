package catalog

import (
	"maps"
	"math/big"
	"slices"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Warnings returns what the catalogue may say and probably does not mean, in the order of its lines; none is nil. It
// says nothing of what is built in.
func (c *Catalog) Warnings() Problems {
	r := &report{source: c.source}
	for _, jobType := range slices.Sorted(maps.Keys(c.Jobs)) {
		if c.IsBuiltin(jobType) {
			continue
		}
		at, job := entry("jobs", jobType), c.Jobs[jobType]
		r.doubtfulTimes(at, job)
		if job.CEType == jobType {
			r.add(at+".ce_type", "is the job type itself, which CloudEvents may always be called: remove it")
		}
		if job.schema == nil {
			r.add(at, "has no schema: whatever is a JSON object is taken for its input")
			continue
		}
		r.doubtfulSchema(at, job)
		for i, name := range job.Identity {
			r.doubtfulInput(item(at+".identity", i), name, job)
		}
	}
	r.sort()
	return r.problems
}

func (r *report) doubtfulTimes(at string, j Job) {
	if j.Timeout > j.StaleAfter.Running {
		r.add(at+".stale_after.running", "%s is shorter than timeout, %s: a run is called stale while its first attempt may still be at work", short(j.StaleAfter.Running), short(j.Timeout))
	}
	if j.ExpectedDuration > j.Timeout {
		r.add(at+".expected_duration", "%s is longer than timeout, %s: what is expected is cut off", short(j.ExpectedDuration), short(j.Timeout))
	}
}

func (r *report) doubtfulSchema(at string, j Job) {
	if !takesType(j.schema, "object") {
		r.add(at+".schema", "%s takes no object, and an input is one: every job is refused", j.Schema)
	}
	for _, unknown := range unknownFormats(j) {
		r.add(at+".schema", "%s names the format %.100q, which is not known here: it is not checked", j.Schema, unknown)
	}
}

// doubtfulInput doubts one name of an identity by what the schema says of it.
func (r *report) doubtfulInput(at, name string, j Job) {
	if !isRequired(j.schema, name) {
		r.add(at, "%.100q is not required by %s: an input without it passes the schema and is refused all the same, as identity_input_missing", name, j.Schema)
	}
	if isClosedTo(j.schema, name) {
		r.add(at, "%.100q is no property that %s takes: every job is refused", name, j.Schema)
	}
	switch {
	case takesInexact(j.schema, name):
		r.add(at, "%.100q may be a number with a fraction in %s: one that double precision would change is refused, so use integer or string", name, j.Schema)
	case takesLarge(j.schema, name):
		r.add(at, "%.100q may be an integer beyond 2^53 in %s: most of those are refused as inexact, so use string", name, j.Schema)
	}
}

// properties lists what a schema says of a top-level property, in every branch and behind every reference.
func properties(root *jsonschema.Schema, name string) (list []*jsonschema.Schema) {
	for s := range reach(root, inPlace) {
		if property, ok := s.Properties[name]; ok {
			list = append(list, slices.Collect(maps.Keys(reach(property, inPlace)))...)
		}
	}
	return list
}

// asserted lists the schemas that every value must pass if it is to pass this one.
func asserted(s *jsonschema.Schema) []*jsonschema.Schema {
	return append([]*jsonschema.Schema{s.Ref}, s.AllOf...)
}

func isRequired(root *jsonschema.Schema, name string) bool {
	for s := range reach(root, asserted) {
		if slices.Contains(s.Required, name) {
			return true
		}
	}
	return false
}

// isClosedTo reports whether a schema takes no object with this property.
func isClosedTo(root *jsonschema.Schema, name string) bool {
	for s := range reach(root, asserted) {
		if s.AdditionalProperties == false && !slices.ContainsFunc(propertiesNamed(s, name), isThere) {
			return true
		}
	}
	return false
}

func isThere(s *jsonschema.Schema) bool { return s != nil && (s.Bool == nil || *s.Bool) }

// isClosed reports whether a schema takes only properties that it names.
func isClosed(root *jsonschema.Schema) bool {
	for s := range reach(root, asserted) {
		if s.AdditionalProperties == false && len(s.PatternProperties) == 0 {
			return true
		}
	}
	return false
}

// takesType reports whether a schema leaves a value of this type any chance.
func takesType(root *jsonschema.Schema, name string) bool {
	for s := range reach(root, asserted) {
		if s.Bool != nil && !*s.Bool || s.Types != nil && !typesHold(s.Types.ToStrings(), name) {
			return false
		}
	}
	return true
}

func typesHold(types []string, name string) bool {
	return slices.Contains(types, name) || name == "integer" && slices.Contains(types, "number")
}

func takesInexact(root *jsonschema.Schema, name string) bool {
	return slices.ContainsFunc(properties(root, name), func(s *jsonschema.Schema) bool {
		return s.Types != nil && slices.Contains(s.Types.ToStrings(), "number")
	})
}

// takesLarge reports whether a schema goes out of its way to take integers that double precision does not hold.
func takesLarge(root *jsonschema.Schema, name string) bool {
	exact := new(big.Rat).SetInt64(1 << 53)
	return slices.ContainsFunc(properties(root, name), func(s *jsonschema.Schema) bool {
		return s.Maximum != nil && s.Maximum.Cmp(exact) > 0 || s.Minimum != nil && s.Minimum.Cmp(new(big.Rat).Neg(exact)) < 0
	})
}

// unknownFormats lists the formats that the schema names and nothing asserts.
func unknownFormats(j Job) (names []string) {
	for s := range reach(j.schema, everywhere) {
		keywords, _ := placeOf(s).in(j.schemaFiles).(map[string]any)
		if name, ok := keywords["format"].(string); ok && s.Format == nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
