package oprun

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestNormalizeCounts(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		counts  map[string]int64
		own     []string
		kept    map[string]int64
		dropped int
	}{
		"no counts are none":                     {},
		"standard keys and the type's own stay":  {map[string]int64{"total": 3, "policies": 2}, []string{"policies"}, map[string]int64{"total": 3, "policies": 2}, 0},
		"keys of nobody are dropped and counted": {map[string]int64{"total": 0, "policies": 2, "": 1}, nil, map[string]int64{"total": 0}, 2},
		"less than nothing is dropped":           {map[string]int64{"total": -1}, nil, nil, 1},
		"the largest number stays":               {map[string]int64{"bytes": math.MaxInt64}, nil, map[string]int64{"bytes": math.MaxInt64}, 0},
	}
	for name, test := range tests {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			kept, dropped := NormalizeCounts(test.counts, test.own)
			same(t, "kept", test.kept, kept)
			same(t, "dropped", test.dropped, dropped)
		})
	}
}

func TestNormalizeFailures(t *testing.T) {
	t.Parallel()
	t.Run("equal_ones_are_counted_together_and_the_most_frequent_come_first", func(t *testing.T) {
		t.Parallel()
		want := []Failure{{"http.status", "404", 5}, {"http.status", "500", 3}, {"handler.error", "", 1}}
		same(t, "failures", want, NormalizeFailures([]Failure{
			{Code: "http.status", Message: "500", Count: 3},
			{Code: "http.status", Message: "404"},
			{Code: "http.status", Message: " 404\n", Count: 4},
			{},
		}))
		same(t, "once more", want, NormalizeFailures(want))
	})
	t.Run("codes_that_are_none_become_the_handlers_error", func(t *testing.T) {
		t.Parallel()
		for _, code := range []string{"", ".a", "a.", "A", "a b", "a\x00", "é", strings.Repeat("a", 101)} {
			same(t, fmt.Sprintf("code %q", code), "handler.error", NormalizeFailures([]Failure{{Code: code}})[0].Code)
		}
		same(t, "code", "a_1.b", NormalizeFailures([]Failure{{Code: "a_1.b"}})[0].Code)
	})
	t.Run("the_list_is_short", func(t *testing.T) {
		t.Parallel()
		var many []Failure
		for i := range 50 {
			many = append(many, Failure{Code: "handler.error", Message: fmt.Sprint(i), Count: int64(1 + i)})
		}
		kept := NormalizeFailures(many)
		same(t, "failures", MaxFailures, len(kept))
		same(t, "the most frequent", int64(50), kept[0].Count)
	})
	t.Run("messages_are_one_short_line", func(t *testing.T) {
		t.Parallel()
		message := NormalizeFailures([]Failure{{Message: strings.Repeat("é\n", 200)}})[0].Message
		same(t, "characters", MaxFailureMessage, utf8.RuneCountInString(message))
	})
}

func TestOneLine(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ text, want string }{
		"plain text stays":               {"it broke", "it broke"},
		"nothing stays nothing":          {"", ""},
		"lines are joined":               {" a\r\n\tb\u2028c ", "a b c"},
		"control characters go":          {"\x1b[31mred\x00\x07", "[31mred"},
		"ten characters are not cut":     {"äöüäöüäöüß", "äöüäöüäöüß"},
		"eleven are cut to ten":          {"äöüäöüäöüßx", "äöüäöüäöü…"},
		"what is no text is replaced":    {"a\xffb", "a\uFFFDb"},
		"half a character is replaced":   {"a\xc3", "a\uFFFD"},
		"what cannot be seen is a space": {"a\u200bb", "a b"},
	}
	for name, test := range tests {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			same(t, "line", test.want, OneLine(test.text, 10))
		})
	}
}

func TestErrorText(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ text, want string }{
		"nothing stays nothing":               {"", ""},
		"lines stay lines":                    {"a\nb", "a\nb"},
		"a NUL and bad bytes are replaced":    {"a\x00\xffb", "a\uFFFD\uFFFDb"},
		"the limit is kept":                   {strings.Repeat("a", MaxAttemptError), strings.Repeat("a", MaxAttemptError)},
		"one more is cut":                     {strings.Repeat("a", MaxAttemptError+1), strings.Repeat("a", MaxAttemptError)},
		"two bytes across the limit are left": {strings.Repeat("a", MaxAttemptError-1) + "é", strings.Repeat("a", MaxAttemptError-1)},
		"four bytes across the limit too":     {strings.Repeat("a", MaxAttemptError-2) + "😀", strings.Repeat("a", MaxAttemptError-2)},
		"four bytes up to the limit stay":     {strings.Repeat("a", MaxAttemptError-4) + "😀b", strings.Repeat("a", MaxAttemptError-4) + "😀"},
	}
	for name, test := range tests {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			same(t, "text", test.want, errorText(test.text))
		})
	}
}
