package dedupe

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// InputError says why a declared input cannot take part in an identity.
type InputError struct {
	Field   string // the declared top-level name
	Missing bool   // else the field holds a number that RFC 8785 cannot spell exactly
}

// Error names the field and the mend.
func (e *InputError) Error() string {
	if e.Missing {
		return fmt.Sprintf("input %q is declared as identity and is missing: send it, as null if it has no value", e.Field)
	}
	return fmt.Sprintf("input %q holds a number that double precision would change: send it as a string", e.Field)
}

// canonicalInputs returns the declared fields of the input as one RFC 8785 object.
func canonicalInputs(input []byte, names []string) ([]byte, error) {
	if len(names) == 0 {
		return []byte("{}"), nil
	}
	fields, err := selectFields(input, names)
	if err != nil {
		return nil, err
	}
	object := append(make([]byte, 0, len(input)), '{')
	for i, name := range names {
		if fields[i] == nil {
			return nil, &InputError{Field: name, Missing: true}
		}
		if !exactNumbers(fields[i]) {
			return nil, &InputError{Field: name}
		}
		if i > 0 {
			object = append(object, ',')
		}
		if object, err = jsontext.AppendQuote(object, name); err != nil {
			return nil, fmt.Errorf("identity input %q: %w", name, err)
		}
		object = append(append(object, ':'), fields[i]...)
	}
	canonical := jsontext.Value(append(object, '}'))
	if err := canonical.Canonicalize(); err != nil {
		return nil, fmt.Errorf("canonical identity inputs: %w", err)
	}
	return canonical, nil
}

// selectFields returns the raw values of the named top-level fields, nil where there is none.
func selectFields(input []byte, names []string) ([]jsontext.Value, error) {
	dec := jsontext.NewDecoder(bytes.NewBuffer(input))
	if tok, err := dec.ReadToken(); err != nil || tok.Kind() != '{' {
		return nil, errors.New("input is not a JSON object")
	}
	fields := make([]jsontext.Value, len(names))
	for dec.PeekKind() == '"' {
		name, err := dec.ReadToken()
		if err != nil {
			return nil, fmt.Errorf("input: %w", err)
		}
		i := slices.Index(names, name.String())
		value, err := dec.ReadValue()
		if err != nil {
			return nil, fmt.Errorf("input: %w", err)
		}
		if i >= 0 {
			fields[i] = value.Clone()
		}
	}
	if _, err := dec.ReadToken(); err != nil {
		return nil, fmt.Errorf("input: %w", err)
	}
	if _, err := dec.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, errors.New("input is more than one JSON object")
	}
	return fields, nil
}

// exactNumbers reports whether RFC 8785 keeps the decimal value of every number in v, which is valid JSON.
func exactNumbers(v jsontext.Value) bool {
	switch v.Kind() {
	case '0':
		return exactNumber(v)
	case '{', '[':
		return exactNumbersWithin(v)
	default:
		return true
	}
}

func exactNumbersWithin(v jsontext.Value) bool {
	dec := jsontext.NewDecoder(bytes.NewBuffer(v))
	for {
		switch dec.PeekKind() {
		case '0':
			number, err := dec.ReadValue()
			if err != nil || !exactNumber(number) {
				return false
			}
		case 0: // the end
			return true
		default:
			if _, err := dec.ReadToken(); err != nil {
				return true
			}
		}
	}
}

func exactNumber(number jsontext.Value) bool {
	spelled := number.Clone()
	if err := spelled.Canonicalize(); err != nil {
		return false
	}
	return decimalOf(string(number)) == decimalOf(string(spelled))
}

// decimal is the value of a JSON number: ±0.digits × 10^exp, with neither leading nor trailing zeros. Zero is
// the zero value; an exponent beyond any double makes it a value of its own.
type decimal struct {
	negative bool
	digits   string
	exp      int
}

func decimalOf(text string) decimal {
	mantissa, negative := strings.CutPrefix(text, "-")
	exp := 0
	if i := strings.IndexAny(mantissa, "eE"); i >= 0 {
		exp = exponentOf(mantissa[i+1:])
		mantissa = mantissa[:i]
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits := strings.TrimLeft(whole+fraction, "0")
	exp += len(digits) - len(fraction)
	digits = strings.TrimRight(digits, "0")
	if digits == "" {
		return decimal{}
	}
	return decimal{negative, digits, exp}
}

// exponentOf reads an exponent. A huge one stops at a value that no double comes near and that an int of 32 bits
// still holds.
func exponentOf(text string) int {
	digits, negative := strings.CutPrefix(strings.TrimPrefix(text, "+"), "-")
	exp := 0
	for _, c := range digits {
		if exp = exp*10 + int(c-'0'); exp > 1e8 {
			break
		}
	}
	if negative {
		return -exp
	}
	return exp
}
