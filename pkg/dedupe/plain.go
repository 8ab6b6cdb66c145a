package dedupe

import (
	"bytes"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// appendPlain is for fields that are spelled canonically as they are, as most identities are: it needs to bring the
// names into order, and nothing else. It reports whether the fields are such.
func appendPlain(object []byte, names []string, fields []jsontext.Value) (_ []byte, ok bool) {
	var space [8]int
	order := space[:0]
	for i, name := range names {
		if len(order) == cap(order) || !plainText(name) || !plainValue(fields[i]) { //nolint:gosec // there is a field for each name
			return object, false
		}
		at, twice := slices.BinarySearchFunc(order, name, func(j int, name string) int { return strings.Compare(names[j], name) })
		if twice {
			return object, false
		}
		order = slices.Insert(order, at, i)
	}
	for n, i := range order {
		object = append(object, "{,"[min(n, 1)], '"')
		object = append(append(object, names[i]...), '"', ':')
		object = append(object, fields[i]...)
	}
	return append(object, '}'), true
}

// plainValue reports whether RFC 8785 spells a scalar as it is: a literal, a string of plain text, a short whole number.
func plainValue(v jsontext.Value) bool {
	switch v.Kind() {
	case 'n', 't', 'f':
		return true
	case '"':
		return plainText(v[1 : len(v)-1])
	case '0':
		return plainNumber(v)
	default:
		return false
	}
}

// plainText reports whether a text has only characters that no JSON writer escapes, and that sort alike in every
// encoding.
func plainText[T ~string | ~[]byte](text T) bool {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// plainNumber reports whether a number is whole, not minus zero, and short enough for a double.
func plainNumber(v jsontext.Value) bool {
	digits, _ := bytes.CutPrefix(v, []byte{'-'})
	if len(digits) > 15 || len(digits) < len(v) && digits[0] == '0' {
		return false
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}
