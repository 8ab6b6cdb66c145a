package dedupe

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

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

// appendCanonical appends the declared fields of the input, as one RFC 8785 object.
func appendCanonical(object, input []byte, names []string) ([]byte, error) {
	if len(names) == 0 {
		return append(object, "{}"...), nil
	}
	var space [8]jsontext.Value
	fields, err := selectFields(space[:0], input, names)
	if err != nil {
		return nil, err
	}
	for i, name := range names {
		if fields[i] == nil {
			return nil, &InputError{Field: name, Missing: true}
		}
		if !exactNumbers(fields[i]) {
			return nil, &InputError{Field: name}
		}
	}
	if object, ok := appendPlain(object, names, fields); ok {
		return object, nil
	}
	return appendAny(object, names, fields)
}

// appendAny is for all fields, however they are spelled.
func appendAny(object []byte, names []string, fields []jsontext.Value) (_ []byte, err error) {
	canonical := jsontext.Value{'{'}
	for i, name := range names {
		if i > 0 {
			canonical = append(canonical, ',')
		}
		if canonical, err = jsontext.AppendQuote(canonical, name); err != nil {
			return nil, fmt.Errorf("identity input %q: %w", name, err)
		}
		canonical = append(append(canonical, ':'), fields[i]...)
	}
	canonical = append(canonical, '}')
	if err := canonical.Canonicalize(); err != nil {
		return nil, fmt.Errorf("canonical identity inputs: %w", err)
	}
	return append(object, canonical...), nil
}

// decoder is one of jsontext's, kept with its buffers.
type decoder struct {
	*jsontext.Decoder
	source bytes.Buffer
}

var decoders = sync.Pool{New: func() any { return &decoder{Decoder: jsontext.NewDecoder(new(bytes.Buffer))} }}

func newDecoder(input []byte) *decoder {
	d, _ := decoders.Get().(*decoder)
	d.source = *bytes.NewBuffer(input)
	d.Reset(&d.source)
	return d
}

// free gives the decoder back, without the input.
func (d *decoder) free() {
	d.source = bytes.Buffer{}
	d.Reset(&d.source)
	decoders.Put(d)
}

// selectFields appends the raw values of the named top-level fields, nil where there is none. They share the input's
// bytes.
func selectFields(fields []jsontext.Value, input []byte, names []string) ([]jsontext.Value, error) {
	dec := newDecoder(input)
	defer dec.free()
	if tok, err := dec.ReadToken(); err != nil || tok.Kind() != '{' {
		return nil, errors.New("input is not a JSON object")
	}
	for range names {
		fields = append(fields, nil)
	}
	for dec.PeekKind() == '"' {
		name, err := dec.ReadValue()
		if err != nil {
			return nil, fmt.Errorf("input: %w", err)
		}
		i := indexQuoted(names, name)
		value, err := dec.ReadValue()
		if err != nil {
			return nil, fmt.Errorf("input: %w", err)
		}
		if i >= 0 {
			end := dec.InputOffset()
			fields[i] = input[end-int64(len(value)) : end]
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

// indexQuoted finds a name as JSON spells it, -1 if it is none of these.
func indexQuoted(names []string, quoted jsontext.Value) int {
	name := quoted[1 : len(quoted)-1]
	if !plainText(name) {
		var err error
		if name, err = jsontext.AppendUnquote(nil, quoted); err != nil {
			return -1
		}
	}
	return slices.IndexFunc(names, func(known string) bool { return known == string(name) })
}

// exactNumbers reports whether RFC 8785 keeps the decimal value of every number in v, which is valid JSON.
func exactNumbers(v jsontext.Value) bool {
	switch v.Kind() {
	case '0':
		return plainNumber(v) || exactNumber(v)
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
