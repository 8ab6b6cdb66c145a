package remote

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var reports = cmp.AllowUnexported(report{}, failure{})

func TestParse(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		want report
	}{
		"an outcome": {`{"outcome":"blocked"}`, report{outcome: blocked}},
		"counts": {
			`{"summary_counts":{"total":3,"bytes":9223372036854775807}}`,
			report{counts: map[string]int64{"total": 3, "bytes": 9223372036854775807}},
		},
		"failures": {
			`{"failures":[{"code":"a.b","message":"m","at":1},{"code":"c"}]}`,
			report{failures: []failure{{"a.b", "m"}, {"c", ""}}},
		},
		"counts that are none are dropped and counted": {
			`{"summary_counts":{"total":"3","created":1.5,"failed":null,"skipped":{},"bytes":1e99,"deleted":2}}`,
			report{counts: map[string]int64{"total": -1, "created": -1, "failed": -1, "skipped": -1, "bytes": -1, "deleted": 2}},
		},
		"counts that are no object are dropped and counted": {
			`{"summary_counts":[1]}`, report{counts: map[string]int64{"summary_counts": -1}},
		},
		"null and empty are as good as left out": {`{"outcome":null,"summary_counts":null,"failures":null}`, report{}},
		"an empty outcome is left out":           {`{"outcome":""}`, report{}},
		"keys in another case are unknown":       {`{"Outcome":"blocked","FAILURES":[{"code":"a"}]}`, report{}},
		"an object without a key of ours":        {`{"level":"info","msg":"done"}`, report{}},
		"a list":                                 {`["outcome"]`, report{}},
		"null":                                   {`null`, report{}},
		"a line that is no JSON":                 {`done: {"outcome":"failed"}`, report{}},
		"a broken object":                        {`{"outcome":"failed"`, report{}},
		"nothing":                                {``, report{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := must(parse([]byte(c.text)))(t)
			if len(got.counts) == 0 {
				got.counts = nil
			}
			if diff := cmp.Diff(c.want, got, reports); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestParseKnowsEveryOutcome(t *testing.T) {
	t.Parallel()
	for _, want := range []outcome{succeeded, partiallySucceeded, blocked, failed, cancelled} {
		got := must(parse([]byte(`{"outcome":"` + want + `"}`)))(t)
		if got.outcome != want {
			t.Errorf("%q was read as %q", want, got.outcome)
		}
	}
}

func TestParseRefusesWhatItKnowsAndCannotRead(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"outcome":"pending"}`:               "outcome is unknown",
		`{"outcome":"Succeeded"}`:             "outcome is unknown",
		`{"outcome":1}`:                       "outcome is unknown",
		`{"failures":"secret"}`:               "failures are no list",
		`{"failures":["secret"]}`:             "failures are no list",
		`{"failures":[{"code":404}]}`:         "failures are no list",
		`{"failures":{"code":"a"},"other":1}`: "failures are no list",
	} {
		_, err := parse([]byte(text))
		wantText(t, err, want)
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("the error quotes the report: %q", err)
		}
	}
}

func TestFromBody(t *testing.T) {
	t.Parallel()
	const jsonType = "application/json; charset=utf-8"
	for name, c := range map[string]struct {
		contentType, body string
		want              outcome
		refused           bool
	}{
		"an empty body says nothing":                 {jsonType, " \r\n", "", false},
		"a report as JSON":                           {jsonType, `{"outcome":"blocked"}`, blocked, false},
		"a report as a dialect of JSON":              {"application/problem+json", `{"outcome":"blocked"}`, blocked, false},
		"a report as plain text":                     {"text/plain", "\n" + `{"outcome":"blocked"}` + "\n", blocked, false},
		"a report of no declared type":               {"", `{"outcome":"blocked"}`, blocked, false},
		"plain text says nothing":                    {"text/plain", `OK`, "", false},
		"a page says nothing":                        {"text/html", `<p>{"outcome":"failed"}</p>`, "", false},
		"JSON that is no object says nothing":        {jsonType, `"ok"`, "", false},
		"another object says nothing":                {jsonType, `{"id":7}`, "", false},
		"broken JSON is refused":                     {jsonType, `{"outcome":"blocked"`, "", true},
		"text that is sent as JSON is refused":       {jsonType, `OK`, "", true},
		"what looks like broken JSON is refused too": {"text/plain", `{"outcome":"blo`, "", true},
		"two reports are refused":                    {jsonType, `{"outcome":"failed"} {}`, "", true},
		"an unknown outcome is refused":              {"text/plain", `{"outcome":"fine"}`, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := fromBody(c.contentType, []byte(c.body))
			if got.outcome != c.want || (err != nil) != c.refused {
				t.Errorf("got %q, %v", got.outcome, err)
			}
		})
	}
}
