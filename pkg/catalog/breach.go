package catalog

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// maxBreaches bounds an error text: one wrong list can break a rule a thousand times.
const maxBreaches = 5

// breaches says which rules a value breaks, as "/path: rule", sorted. It never quotes the value: inputs may hold
// what logs must not.
func breaches(err *jsonschema.ValidationError) string {
	found := collect(nil, err)
	slices.Sort(found)
	found = slices.Compact(found)
	if more := len(found) - maxBreaches; more > 0 {
		found = append(found[:maxBreaches], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(found, "; ")
}

// collect walks down to the rules that say something of their own. Of an anyOf the branches are not walked: that
// each of them fails is what anyOf says.
func collect(found []string, err *jsonschema.ValidationError) []string {
	switch err.ErrorKind.(type) {
	case *kind.Schema, *kind.Group, *kind.Reference, *kind.AllOf:
		for _, cause := range err.Causes {
			found = collect(found, cause)
		}
		return found
	default:
		return append(found, pointer(err.InstanceLocation)+": "+rule(err))
	}
}

// rule names the keyword that is broken, and what it wants where that helps and is no part of the value.
func rule(err *jsonschema.ValidationError) string {
	switch k := err.ErrorKind.(type) {
	case *kind.Type:
		return "type is " + k.Got + ", want " + strings.Join(k.Want, " or ")
	case *kind.Required:
		return "required: " + names(k.Missing)
	case *kind.DependentRequired:
		return "dependentRequired: " + names(k.Missing)
	case *kind.AdditionalProperties:
		return "additionalProperties: " + names(k.Properties)
	case *kind.Format:
		return "format " + k.Want
	case *kind.Not:
		return "not"
	case *kind.FalseSchema:
		return "nothing passes " + path.Base("/"+afterHash(err.SchemaURL))
	}
	return strings.Join(err.ErrorKind.KeywordPath(), " ")
}

func afterHash(address string) string {
	_, fragment, _ := strings.Cut(address, "#")
	return fragment
}

func names(list []string) string {
	list = slices.Sorted(slices.Values(list))
	if more := len(list) - maxBreaches; more > 0 {
		list = append(list[:maxBreaches], fmt.Sprintf("and %d more", more))
	}
	for i := range list {
		list[i] = printable(list[i])
	}
	return strings.Join(list, ", ")
}

var escapedToken = strings.NewReplacer("~", "~0", "/", "~1")

// pointer spells a place in the value as a JSON pointer (RFC 6901); names in it are the sender's and are cut to what a
// log line can hold.
func pointer(location []string) string {
	if len(location) == 0 {
		return "(the whole)"
	}
	var b strings.Builder
	for _, name := range location {
		b.WriteString("/" + escapedToken.Replace(printable(name)))
	}
	return b.String()
}
