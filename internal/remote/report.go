package remote

import (
	"bytes"
	"encoding/json"
	"errors"
	"mime"
	"strings"
)

// report is what a service or a command says of its work.
type report struct {
	outcome  outcome
	counts   map[string]int64
	failures []failure
}

// outcome is how work that was done went, as a report spells it; "" is succeeded.
type outcome string

const (
	succeeded          outcome = "succeeded"
	partiallySucceeded outcome = "partially_succeeded"
	blocked            outcome = "blocked"
	failed             outcome = "failed"
	cancelled          outcome = "cancelled"
)

// failure is one entry of a report's failures.
type failure struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// The keys of a report.
const (
	outcomeKey  = "outcome"
	countsKey   = "summary_counts"
	failuresKey = "failures"
)

// dropped is a count that is none. The ledger drops a negative one, and the drop is counted.
const dropped = -1

// fromBody reads the body of a 2xx. One that is sent as JSON, or looks like it, has to be valid; any other says
// nothing.
func fromBody(contentType string, body []byte) (report, error) {
	body = bytes.TrimSpace(body)
	if len(body) == 0 {
		return report{}, nil
	}
	if (isJSON(contentType) || body[0] == '{') && !json.Valid(body) {
		return report{}, errors.New("the response is no valid JSON")
	}
	return parse(body)
}

func isJSON(contentType string) bool {
	media, _, _ := mime.ParseMediaType(contentType)
	return media == "application/json" || strings.HasSuffix(media, "+json")
}

// parse reads a report. A text that is no JSON object, or has none of the keys of a report, says nothing.
//
// The keys are looked up in a map, because a struct's fields would also match keys in another case.
func parse(text []byte) (report, error) {
	text = bytes.TrimSpace(text)
	if !bytes.HasPrefix(text, []byte("{")) || !json.Valid(text) {
		return report{}, nil
	}
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(text, &keys); err != nil {
		return report{}, err
	}
	r := report{counts: counts(keys[countsKey])}
	if said := keys[outcomeKey]; said != nil && json.Unmarshal(said, &r.outcome) != nil || !r.outcome.known() {
		return report{}, errors.New("the report's outcome is unknown")
	}
	if said := keys[failuresKey]; said != nil && json.Unmarshal(said, &r.failures) != nil {
		return report{}, errors.New("the report's failures are no list of codes and messages")
	}
	return r, nil
}

func (o outcome) known() bool {
	switch o {
	case "", succeeded, partiallySucceeded, blocked, failed, cancelled:
		return true
	}
	return false
}

// counts reads what can be read: a bad count costs itself and never the run.
func counts(said json.RawMessage) map[string]int64 {
	var values map[string]json.RawMessage
	if said != nil && json.Unmarshal(said, &values) != nil {
		return map[string]int64{countsKey: dropped}
	}
	counts := make(map[string]int64, len(values))
	for key, value := range values {
		counts[key] = count(value)
	}
	return counts
}

func count(value json.RawMessage) int64 {
	var n *int64 // null is none
	if json.Unmarshal(value, &n) != nil || n == nil {
		return dropped
	}
	return *n
}
