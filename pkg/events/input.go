package events

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"oprun.example/pkg/dedupe"
)

const (
	// MaxInputBytes bounds a job's input.
	MaxInputBytes = 256 << 10

	// MaxInputDepth bounds how deep objects and arrays of an input nest; the input itself is the first level.
	MaxInputDepth = 32
)

// ValidInput reports why these bytes cannot be a job's input, as a [*Refusal] that is Oversize or Malformed. An input
// is one JSON object of at most [MaxInputBytes] and [MaxInputDepth], in UTF-8, in which no object has the same name
// twice: decoders differ in which of two they take, and two readers must never see two different jobs.
func ValidInput(input []byte) error {
	if len(input) > MaxInputBytes {
		return refuse(dedupe.Oversize, "input: it has more than 262144 bytes: send a reference to the data instead")
	}
	return validObject("input", input, MaxInputDepth)
}

// validObject is ValidInput without the size, for the body that is called what.
func validObject(what string, data []byte, maxDepth int) error {
	body := bytes.TrimLeft(data, " \t\r\n")
	switch {
	case len(body) == 0:
		return refuse(dedupe.Malformed, what+": it is empty: send {}")
	case body[0] != '{':
		return refuse(dedupe.Malformed, what+": it is not a JSON object")
	case deeperThan(data, maxDepth):
		return refuse(dedupe.Malformed, what+": it nests more than "+strconv.Itoa(maxDepth)+" deep")
	case !jsontext.Value(data).IsValid():
		return refuse(dedupe.Malformed, what+": "+syntaxFault(data))
	default:
		return nil
	}
}

// deeperThan reports whether brackets outside strings nest deeper than limit. It comes before the real parser, which
// has no limit of its own below 10,000; on what is not JSON its answer does not matter.
func deeperThan(data []byte, limit int) bool {
	depth, inString := 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case inString && c == '\\':
			i++ // the next byte cannot end the string
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			if depth++; depth > limit {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}

// syntaxFault says in what way data is not one strict JSON value. The parser's own words are not used: they quote
// the data.
func syntaxFault(data []byte) string {
	if !utf8.Valid(data) {
		return "it is not UTF-8"
	}
	dec := jsontext.NewDecoder(bytes.NewBuffer(data))
	_, err := dec.ReadValue()
	if err == nil {
		return "more than one JSON value"
	}
	at := ""
	if syntax, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		at = " at byte " + strconv.FormatInt(syntax.ByteOffset, 10)
	}
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName):
		return "an object has the same name twice" + at
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "the JSON ends too early" + at
	default:
		return "it is not JSON" + at
	}
}
