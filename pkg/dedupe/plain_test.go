package dedupe

import (
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"pgregory.net/rapid"
)

// What is spelled canonically as it is must come out as the general way spells it.
func TestPlainFieldsAreCanonical(t *testing.T) {
	t.Parallel()
	names := rapid.SampledFrom([]string{"a", "b", "ab", "A", "_", "é", `q"`, "z.y", ""})
	values := rapid.SampledFrom([]string{
		"null", "true", "false", `""`, `"x"`, `"a b~"`, `"\u0061"`, `"é"`, `"\n"`, `"/"`, "0", "-0", "7", "-7", "10", "1e1", "1.0",
		"123456789012345", "-123456789012345", "999999999999999", "{}", `{"b":1,"a":2}`, "[ 1 ]",
	})
	plain := 0
	rapid.Check(t, func(t *rapid.T) {
		chosen := rapid.SliceOfNDistinct(names, 0, 9, rapid.ID[string]).Draw(t, "names")
		fields := make([]jsontext.Value, len(chosen))
		for i := range fields {
			fields[i] = jsontext.Value(values.Draw(t, "value"))
		}
		got, ok := appendPlain(nil, chosen, fields)
		if !ok || len(chosen) == 0 {
			return
		}
		plain++
		want, err := appendAny(nil, chosen, fields)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Fatalf("plain: %s, in general: %s", got, want)
		}
	})
	if plain == 0 {
		t.Error("no drawn object was plain: this test has shown nothing")
	}
}

func TestPlainIsWhatIdentitiesAreMadeOf(t *testing.T) {
	t.Parallel()
	fields := []jsontext.Value{jsontext.Value(`"8b1f5c1e-6a43-4a5e-9d55-0d6c2f5c9a11"`), jsontext.Value("42"), jsontext.Value("null")}
	got, ok := appendPlain(nil, []string{"b", "c", "a"}, fields)
	if want := `{"a":null,"b":"8b1f5c1e-6a43-4a5e-9d55-0d6c2f5c9a11","c":42}`; !ok || string(got) != want {
		t.Errorf("got %s, %t; want %s", got, ok, want)
	}
	for _, value := range []string{"-0", "1.0", "1e1", "1234567890123456", `"\u0061"`, `"é"`, "[]"} {
		if _, ok := appendPlain(nil, []string{"a"}, []jsontext.Value{jsontext.Value(value)}); ok {
			t.Errorf("%s passes for plain", value)
		}
	}
	if _, ok := appendPlain(nil, strings.Split("a,a", ","), fields[:2]); ok {
		t.Error("one name twice passes for plain")
	}
}
