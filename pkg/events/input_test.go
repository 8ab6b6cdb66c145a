package events

import (
	"errors"
	"strings"
	"testing"

	"oprun.example/pkg/dedupe"
)

// nested returns objects and arrays, depth deep in all.
func nested(depth int) []byte {
	pairs := (depth - 1) / 2
	text := strings.Repeat(`{"a":[`, pairs) + "{" + strings.Repeat(`}`, 1) + strings.Repeat(`]}`, pairs)
	if depth%2 == 0 {
		text = `{"a":` + text + `}`
	}
	return []byte(text)
}

// filled returns an object of so many bytes.
func filled(size int) []byte {
	return []byte(`{"a":"` + strings.Repeat("x", size-len(`{"a":""}`)) + `"}`)
}

func TestValidInput(t *testing.T) {
	t.Parallel()
	for name, input := range map[string][]byte{
		"an_empty_object":                 []byte(`{}`),
		"white_space_around":              []byte("\r\n\t {} \n"),
		"the_same_name_in_two_objects":    []byte(`{"a":{"a":1},"b":{"a":1}}`),
		"names_that_differ_in_case":       []byte(`{"a":1,"A":2}`),
		"brackets_in_strings":             []byte(`{"a":"` + strings.Repeat(`[\"`, 100) + `"}`),
		"numbers_beyond_double_precision": []byte(`{"a":9007199254740993,"b":1e400}`),
		"an_escaped_NUL":                  []byte(`{"a":"\u0000"}`),
		"the_deepest":                     nested(MaxInputDepth),
		"many_objects_side_by_side":       []byte(`{"a":[` + strings.Repeat(`{},`, 1000) + `{}]}`),
		"the_largest":                     filled(MaxInputBytes),
	} {
		t.Run("takes_"+name, func(t *testing.T) {
			t.Parallel()
			if err := ValidInput(input); err != nil {
				t.Error(err)
			}
		})
	}
	for name, input := range map[string]string{
		"nothing":                    "",
		"white_space":                " \n",
		"null":                       "null",
		"an_array":                   "[]",
		"a_string":                   `"{}"`,
		"two_objects":                "{}{}",
		"text_after_the_object":      "{} x",
		"a_truncated_object":         `{"a":`,
		"a_duplicate_name":           `{"a":1,"a":1}`,
		"a_duplicate_name_escaped":   `{"a":1,"\u0061":1}`,
		"a_deep_duplicate_name":      `{"a":[{"b":1,"b":2}]}`,
		"a_trailing_comma":           `{"a":1,}`,
		"a_comment":                  `{} // x`,
		"a_single_quote":             `{'a':1}`,
		"a_bare_control_character":   "{\"a\":\"\n\"}",
		"bytes_that_are_not_UTF8":    "{\"a\":\"\xff\"}",
		"a_byte_order_mark":          "\ufeff{}",
		"a_lone_surrogate":           `{"a":"\ud800"}`,
		"NaN":                        `{"a":NaN}`,
		"a_number_with_leading_zero": `{"a":01}`,
		"one_level_too_many":         string(nested(MaxInputDepth + 1)),
		"a_thousand_levels":          string(nested(1000)),
		"unclosed_levels":            strings.Repeat("[", 100_000),
	} {
		t.Run("refuses_"+name, func(t *testing.T) {
			t.Parallel()
			wantRefusal(t, Codec{}, Message{Subject: fetchSubject, Data: []byte(input)}, dedupe.Malformed)
		})
	}
	t.Run("refuses_one_byte_too_many", func(t *testing.T) {
		t.Parallel()
		wantRefusal(t, Codec{}, Message{Subject: fetchSubject, Data: filled(MaxInputBytes + 1)}, dedupe.Oversize)
	})
	t.Run("refuses_300_KiB", func(t *testing.T) {
		t.Parallel()
		wantRefusal(t, Codec{}, Message{Subject: fetchSubject, Data: filled(300 << 10)}, dedupe.Oversize)
	})
}

func TestValidInput_says_what_is_wrong_and_quotes_nothing(t *testing.T) {
	t.Parallel()
	for input, want := range map[string]string{
		"":                         "malformed: input: it is empty: send {}",
		"[]":                       "malformed: input: it is not a JSON object",
		`{"secret":1,"secret":2}`:  "malformed: input: an object has the same name twice at byte 12",
		`{"secret":`:               "malformed: input: the JSON ends too early at byte 10",
		`{"secret":x}`:             "malformed: input: it is not JSON at byte 10",
		"{\"secret\":\"\xff\"}":    "malformed: input: it is not UTF-8",
		`{"secret":1}{"secret":1}`: "malformed: input: more than one JSON value",
		string(nested(33)):         "malformed: input: it nests more than 32 deep",
		string(filled(300 << 10)):  "oversize: input: it has more than 262144 bytes: send a reference to the data instead",
	} {
		err := ValidInput([]byte(input))
		if _, ok := errors.AsType[*Refusal](err); !ok || err.Error() != want {
			t.Errorf("%.40q: got %v, want %s", input, err, want)
		}
	}
}
