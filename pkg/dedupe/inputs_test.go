package dedupe_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"oprun.example/pkg/dedupe"
)

func identify(input string, declared ...string) (dedupe.Identity, error) {
	return dedupe.Rule{Inputs: declared}.Identify(dedupe.Tenant(uuid.UUID{}), "a.b", []byte(input), dedupe.Occurrence{})
}

func TestInputsThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for _, input := range []string{
		``, `null`, `[]`, `"a"`, `1`, `{`, `{"a"}`, `{"a":}`, `{"a":1`, `{"a":1}}`, `{"a":1}{"a":2}`, `{"a":1} x`, `{"a":1,}`,
		`{"a":1,"a":1}`, `{"a":1,"\u0061":2}`, `{"a":{"b":1,"b":2}}`, `{"x":{"b":1,"b":2},"a":1}`,
		`{"a":01}`, `{"a":+1}`, `{"a":NaN}`, `{"a":"` + "\xff" + `"}`, `{"a":"\ud800"}`, `{"a":` + strings.Repeat("[", 20_000),
	} {
		id, err := identify(input, "a")
		var refused *dedupe.InputError
		if err == nil || errors.As(err, &refused) {
			t.Errorf("%.40s: identity %x, error %v", input, id.Hash[:4], err)
		}
	}
}

func TestInputErrorNamesTheFieldAndTheMend(t *testing.T) {
	t.Parallel()
	for input, want := range map[string]string{
		`{}`:                         `input "a" is declared as identity and is missing: send it, as null if it has no value`,
		`{"a":9007199254740993}`:     `input "a" holds a number that double precision would change: send it as a string`,
		`{"a":[{"b":[0.5, 1e400]}]}`: `input "a" holds a number that double precision would change: send it as a string`,
	} {
		if _, err := identify(input, "a"); err == nil || err.Error() != want {
			t.Errorf("%s: %v", input, err)
		}
	}
}

func TestModeRequestNeedsAnOccurrence(t *testing.T) {
	t.Parallel()
	rule, scope := dedupe.Rule{Mode: dedupe.RequestMode}, dedupe.Tenant(uuid.UUID{})
	for _, occ := range []dedupe.Occurrence{{}, dedupe.ByRequest("", time.Now())} {
		if id, err := rule.Identify(scope, "a.b", []byte(`{}`), occ); err == nil {
			t.Errorf("identity %x for a request that nothing tells from the next", id.Hash)
		}
	}
}

func TestOtherModesDoNotLookAtTheOccurrence(t *testing.T) {
	t.Parallel()
	scope := dedupe.Tenant(uuid.UUID{})
	for _, mode := range []dedupe.Mode{dedupe.ActiveMode, dedupe.OnceMode} {
		one, err1 := dedupe.Rule{Mode: mode}.Identify(scope, "a.b", nil, dedupe.ByRequest("1", time.Time{}))
		two, err2 := dedupe.Rule{Mode: mode}.Identify(scope, "a.b", nil, dedupe.ByPlace("JOBS", 1, time.Now()))
		if err1 != nil || err2 != nil || one != two {
			t.Errorf("%s: %v %v", mode, err1, err2)
		}
	}
}

// What encoding/json reads and writes again is the same job, and no bytes make Identify panic.
func FuzzIdentify(f *testing.F) {
	for _, input := range []string{
		`{"a":1}`, `{"a":null,"b":[1,2]}`, `{"a":-0.0,"b":{"z":1,"\u0061":"\ud83d\ude00"}}`, `{"a":1e3,"b":9007199254740993}`,
		`{"b":"<&>","a":[[[]]]}`, `{"a":1,"a":2}`, `[]`, "\xff", `{"a":1}{}`,
	} {
		f.Add([]byte(input))
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		before := bytes.Clone(input)
		first, err := identify(string(input), "a")
		if !bytes.Equal(before, input) {
			t.Fatal("the input was written to")
		}
		if err != nil {
			t.Skip("no identity to compare")
		}
		again, err := identify(reencode(t, input), "a")
		if err != nil || again != first {
			t.Errorf("%s: re-encoded it is another job (%v)", input, err)
		}
	})
}

func reencode(t *testing.T, input []byte) string {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(input))
	dec.UseNumber()
	var object map[string]any
	if err := dec.Decode(&object); err != nil {
		t.Fatalf("%s: an identity for what encoding/json does not read: %v", input, err)
	}
	text, err := json.MarshalIndent(object, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
