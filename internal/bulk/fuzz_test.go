package bulk

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"oprun.example/pkg/events"
)

// What parseLine takes, the standard library takes as well, and reads the same: no line has two meanings.
func FuzzParseLine(f *testing.F) {
	for _, line := range []string{
		`{}`, `{"type": "a.b", "tenant": "6f9619ff-8b86-4d01-b42d-00cf4fc964e1", "input": {"n": 1.0}, "request_id": "x", "initiator": "é"}`,
		`{"input": {"a": {"b": [1, 2, "\u00e9\ud83d\ude00"]}}}`, `{"run_id": "019236f0-8b86-7d01-b42d-00cf4fc964e1"}`,
		`{"type": "a.b"} {}`, `{"type": "a.b", "type": "c.d"}`, `{"Type": "a.b"}`, `{"type": null}`, `[`, `{"input": {"a": 1, "a": 2}}`, `{"x": 1}`, "{\"type\": \"\xff\"}",
	} {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		asked, err := parseLine(line, Asked{Type: testType, Scope: tenant})
		if err != nil {
			return
		}
		var oracle struct {
			Type      *string         `json:"type"`
			Tenant    *string         `json:"tenant"`
			Workspace *string         `json:"workspace"`
			Input     json.RawMessage `json:"input"`
			RequestID *string         `json:"request_id"`
			Initiator *string         `json:"initiator"`
			RunID     *string         `json:"run_id"`
		}
		decoder := json.NewDecoder(bytes.NewReader(line))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&oracle); err != nil {
			t.Fatalf("%q is taken, and is: %v", line, err)
		}
		input := "{}"
		if oracle.Input != nil {
			input = string(oracle.Input)
		}
		for field, pair := range map[string][2]string{
			"type": {orElse(oracle.Type, testType), asked.Type}, "request_id": {orElse(oracle.RequestID, ""), asked.RequestID},
			"initiator": {orElse(oracle.Initiator, ""), asked.Initiator},
			"input":     {input, string(asked.Input)},
		} {
			if pair[0] != pair[1] {
				t.Errorf("%s of %q: %q and %q", field, line, pair[0], pair[1])
			}
		}
		if err := events.ValidInput(asked.Input); err != nil && len(asked.Input) < events.MaxInputBytes && !strings.Contains(err.Error(), "deep") {
			t.Errorf("the input of %q: %v", line, err)
		}
	})
}

func orElse(text *string, other string) string {
	if text == nil {
		return other
	}
	return *text
}
