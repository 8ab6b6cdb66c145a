package bulk

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"oprun.example/pkg/dedupe"
)

// keys are what a line may say, for texts.
const keys = "type, tenant or workspace, input, request_id, initiator, run_id"

// setters read the value of each key of a line.
var setters = map[string]func(a *Asked, value jsontext.Value) error{
	"type":       func(a *Asked, v jsontext.Value) error { return text(v, &a.Type) },
	"request_id": func(a *Asked, v jsontext.Value) error { return text(v, &a.RequestID) },
	"initiator":  func(a *Asked, v jsontext.Value) error { return text(v, &a.Initiator) },
	"run_id":     func(a *Asked, v jsontext.Value) (err error) { a.RunID, err = id(v); return err },
	"tenant":     func(a *Asked, v jsontext.Value) error { return scope(a, v, dedupe.Tenant) },
	"workspace":  func(a *Asked, v jsontext.Value) error { return scope(a, v, dedupe.Workspace) },
	"input": func(a *Asked, v jsontext.Value) error {
		if v.Kind() != '{' {
			return errors.New("it is not a JSON object")
		}
		a.Input = bytes.Clone(v) // the line's memory is used again
		return nil
	},
}

// parseLine reads one line: one strict JSON object. What it does not say is taken from the defaults. Its error names the field, if
// it is about one, and quotes nothing of the line but the name of an unknown key.
func parseLine(line []byte, defaults Asked) (Asked, error) {
	a := Asked{}
	decoder := jsontext.NewDecoder(bytes.NewBuffer(line))
	if opening, err := decoder.ReadToken(); err != nil || opening.Kind() != '{' {
		return a, notAnObject(line, err)
	}
	for decoder.PeekKind() != '}' {
		if err := readField(&a, decoder, line); err != nil {
			return a, err
		}
	}
	if _, err := decoder.ReadToken(); err != nil {
		return a, fault(line, err)
	}
	if _, err := decoder.ReadToken(); !errors.Is(err, io.EOF) {
		return a, errors.New("more than one JSON value")
	}
	return a.or(defaults), nil
}

func notAnObject(line []byte, err error) error {
	if err != nil {
		return fault(line, err)
	}
	return errors.New("it is not a JSON object")
}

func readField(a *Asked, decoder *jsontext.Decoder, line []byte) error {
	token, err := decoder.ReadToken()
	if err != nil {
		return fault(line, err)
	}
	key := token.String()
	set := setters[key]
	if set == nil {
		return &FieldError{fmt.Sprintf("%.40q", key), errors.New("no such key: a line may have " + keys)}
	}
	value, err := decoder.ReadValue()
	if err != nil {
		return &FieldError{key, fault(line, err)}
	}
	if err := set(a, value); err != nil {
		return &FieldError{key, err}
	}
	return nil
}

// or fills in what the line does not say.
func (a Asked) or(defaults Asked) Asked {
	if a.Type == "" {
		a.Type = defaults.Type
	}
	if a.Scope == (dedupe.Scope{}) {
		a.Scope = defaults.Scope
	}
	if a.Initiator == "" {
		a.Initiator = defaults.Initiator
	}
	if a.Input == nil {
		a.Input = []byte("{}")
	}
	a.Coalesce = defaults.Coalesce
	return a
}

func text(value jsontext.Value, to *string) error {
	if value.Kind() != '"' {
		return errors.New("it is not a string")
	}
	plain, err := jsontext.AppendUnquote(nil, value)
	if err == nil && len(plain) == 0 {
		err = errors.New("it is empty: leave it out")
	}
	*to = string(plain)
	return err
}

func id(value jsontext.Value) (uuid.UUID, error) {
	var spelt string
	err := text(value, &spelt)
	parsed, parseErr := uuid.Parse(spelt)
	if err == nil && (parseErr != nil || len(spelt) != 36 || parsed == uuid.Nil) {
		err = errors.New("it is not a UUID")
	}
	return parsed, err
}

func scope(a *Asked, value jsontext.Value, of func(uuid.UUID) dedupe.Scope) error {
	if a.Scope != (dedupe.Scope{}) {
		return errors.New("a job belongs to a tenant or to a workspace, not to both")
	}
	owner, err := id(value)
	a.Scope = of(owner)
	return err
}

// fault says in what way a line is not strict JSON. The parser's own words are not used: they quote the line.
func fault(line []byte, err error) error {
	at := ""
	if syntax, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		at = fmt.Sprintf(" at byte %d", syntax.ByteOffset)
	}
	switch {
	case !utf8.Valid(line):
		return errors.New("it is not UTF-8")
	case errors.Is(err, jsontext.ErrDuplicateName):
		return errors.New("an object has the same name twice" + at)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the JSON ends too early" + at)
	default:
		return errors.New("it is not JSON" + at)
	}
}
