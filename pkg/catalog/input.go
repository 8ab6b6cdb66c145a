package catalog

import (
	"encoding/json"
	"strconv"

	"go.yaml.in/yaml/v3"
)

// maxInputDepth is how deep a job's input may nest (docs/protocol.md §2): a schedule is not to fire what no worker takes.
const maxInputDepth = 32

// input reads a schedule's input, any YAML mapping that JSON can say, as a JSON object.
func (f field) input() json.RawMessage {
	if !f.is(yaml.MappingNode, "a mapping, as in {full: true}") {
		return nil
	}
	text := f.appendJSON(nil, 1)
	if !json.Valid(text) { // the fault is noted already
		return nil
	}
	return text
}

func (f field) appendJSON(b []byte, depth int) []byte {
	if depth > maxInputDepth {
		f.bad("nests deeper than %d: flatten it", maxInputDepth)
		return b
	}
	switch f.node.Kind {
	case yaml.MappingNode:
		return f.appendObject(b, depth)
	case yaml.SequenceNode:
		return f.appendArray(b, depth)
	default:
		return f.appendScalar(b)
	}
}

func (f field) appendObject(b []byte, depth int) []byte {
	start := len(b)
	f.pairs(f.member, func(key string, value field) {
		b = append(b, ',')
		b = appendString(b, key)
		b = append(b, ':')
		b = value.appendJSON(b, depth+1)
	})
	return closed(b, start, '{', '}')
}

func (f field) appendArray(b []byte, depth int) []byte {
	start := len(b)
	for i := range f.node.Content {
		b = f.item(i).appendJSON(append(b, ','), depth+1)
	}
	return closed(b, start, '[', ']')
}

// closed puts brackets around what was appended since start, the first in the place of the leading comma.
func closed(b []byte, start int, open, end byte) []byte {
	if len(b) == start {
		b = append(b, 0)
	}
	b[start] = open
	return append(b, end)
}

func (f field) appendScalar(b []byte) []byte {
	if f.node.Kind != yaml.ScalarNode {
		f.is(yaml.ScalarNode, "the value")
		return b
	}
	switch f.node.ShortTag() {
	case "!!str", "!!timestamp": // a date is text in JSON, as it is spelled
		return appendString(b, f.node.Value)
	case "!!null":
		return append(b, "null"...)
	case "!!bool", "!!int", "!!float":
		return f.appendLiteral(b)
	default:
		f.bad("%s has no form in JSON: quote it as text", printable(f.node.ShortTag()))
		return b
	}
}

// appendLiteral keeps the spelling of a number that JSON can read, so that no digit is lost; true, 0x10 and the
// like take the spelling of their value.
func (f field) appendLiteral(b []byte) []byte {
	if json.Valid([]byte(f.node.Value)) {
		return append(b, f.node.Value...)
	}
	var value any
	if err := f.node.Decode(&value); err != nil {
		f.bad("%.100q has no form in JSON: quote it as text", f.node.Value)
		return b
	}
	text, err := json.Marshal(value)
	if err != nil {
		f.bad("%.100q has no form in JSON: quote it as text", f.node.Value)
	}
	return append(b, text...)
}

func appendString(b []byte, s string) []byte {
	text, err := json.Marshal(s)
	if err != nil { // no string does that
		return strconv.AppendQuote(b, s)
	}
	return append(b, text...)
}
