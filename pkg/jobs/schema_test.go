package jobs

import (
	"errors"
	"strings"
	"testing"
	"testing/fstest"

	"oprun.example/pkg/catalog"
	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
	"oprun.example/pkg/oprun"
)

// placesSchema asserts formats, and refers to another file.
var placesSchema = fstest.MapFS{
	"places.json": {Data: []byte(`{"type": "object", "required": ["key"], "additionalProperties": false, "properties": {
		"key": {"type": "string"}, "connection_id": {"type": "integer", "minimum": 1}, "since": {"$ref": "formats.json#/$defs/moment"},
		"owner": {"type": "string", "format": "email"}, "ids": {"type": "array", "items": {"type": "string", "format": "uuid"}},
		"a/b": {"properties": {"c": {"enum": ["x"]}}}
	}}`)},
	"formats.json": {Data: []byte(`{"$defs": {"moment": {"type": "string", "format": "date-time"}}}`)},
}

// placesBroken are inputs that break it, with the word "hunter2" or 4711 as their value, and what is said of them.
var placesBroken = map[string]string{
	`{"key":"hunter2","connection_id":-4711}`:                                    "/connection_id: minimum",
	`{"key":"hunter2","connection_id":"4711"}`:                                   "/connection_id: type is string, want integer",
	`{"key":"hunter2","since":"4711-13-01T00:00:00Z"}`:                           "/since: format date-time",
	`{"key":"hunter2","owner":"hunter2"}`:                                        "/owner: format email",
	`{"key":"hunter2","ids":["8b1f5c1e-6a43-4a5e-9d55-0d6c2f5c9a11","hunter2"]}`: "/ids/1: format uuid",
	`{"key":"hunter2","a/b":{"c":"hunter2"}}`:                                    "/a~1b/c: enum",
	`{"key":"hunter2","other":"hunter2"}`:                                        "(the whole): additionalProperties: other",
	`{"key":"hunter2","connection_id":0,"owner":4711}`:                           "/connection_id: minimum; /owner: type is number, want string",
}

// A refusal says which rule is broken where, and quotes nothing, whoever refuses: the worker, with a dead letter, and the
// dispatcher, with its error.
func TestSchemaRefusalsNameThePlaceAndTheRule(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	job := testJob("key")
	job.Schema = "places.json"
	s.catalog = must(catalog.New(catalog.Catalog{Jobs: map[string]catalog.Job{testType: job}}, placesSchema))(t)
	w := s.start(writing(), Config{})
	d := NewDispatcher(nil, s.catalog, nil, DispatcherConfig{}) // no ledger: it is not asked
	for input, want := range placesBroken {
		if strings.Contains(want, "hunter2") || strings.Contains(want, "4711") {
			t.Fatalf("%q quotes a value", want)
		}
		must(s.js.Publish(t.Context(), events.Subjects{}.Subject(dedupe.Tenant(s.tenant), testType), []byte(input)))(t)
		_, err := d.Dispatch(t.Context(), dedupe.Tenant(s.tenant), testType, []byte(input))
		if refusal, ok := errors.AsType[*events.Refusal](err); !ok || refusal.Reason != dedupe.SchemaViolated || refusal.Detail != "input breaks places.json: "+want {
			t.Errorf("dispatch %s: %v, want %s", input, err, want)
		}
		_, err = d.DispatchMany(t.Context(), dedupe.Tenant(s.tenant), testType, keyed{"a"}, []byte(input))
		if err == nil || !strings.HasPrefix(err.Error(), "args 1 of 2: ") || !strings.HasSuffix(err.Error(), "places.json: "+want) {
			t.Errorf("dispatch many %s: %v, want %s", input, err, want)
		}
	}
	s.eventually("the letters", func() bool { return s.count("select count(*) from oprun.dead_letters") == len(placesBroken) })
	s.acknowledged()
	for _, listed := range must(s.ledger.DeadLetters(t.Context(), oprun.DeadLetterFilter{Limit: 100}))(t) {
		letter := must(s.ledger.DeadLetter(t.Context(), listed.ID))(t)
		want := "input breaks places.json: " + placesBroken[string(letter.Body)]
		if letter.Reason != "schema" || letter.Detail != want {
			t.Errorf("the letter of %s is %s %q, want %q", letter.Body, letter.Reason, letter.Detail, want)
		}
	}
	if n := s.count("select count(*) from oprun.operation_runs"); n != 0 {
		t.Errorf("%d refused messages became runs", n)
	}
	if n := w.deliveries(t, "rejected"); n != len(placesBroken) {
		t.Errorf("%d deliveries were counted as rejected, want %d", n, len(placesBroken))
	}
}
