package dedupe_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"oprun.example/pkg/dedupe"
)

// A job as a user thinks of it: one of these is the same job as another exactly when all fields are equal.
type tuple struct {
	Mode      dedupe.Mode
	Kind      dedupe.ScopeKind
	ID        uuid.UUID
	Type      string
	A, B      string // two declared inputs, as JSON
	RequestID string // counts in mode request
}

func (tu tuple) identity(t *rapid.T) dedupe.Identity {
	rule := dedupe.Rule{Mode: tu.Mode, Inputs: []string{"a", "b"}}
	input := fmt.Sprintf(`{"a":%s,"b":%s,"c":"never counts"}`, tu.A, tu.B)
	id, err := rule.Identify(dedupe.Scope{Kind: tu.Kind, ID: tu.ID}, tu.Type, []byte(input), dedupe.ByRequest(tu.RequestID, time.Time{}))
	if err != nil {
		t.Fatalf("%+v: %v", tu, err)
	}
	return id
}

// Few values, so that equal tuples are drawn too; some are made to run into each other.
var anyTuple = rapid.Custom(func(t *rapid.T) tuple {
	value := rapid.SampledFrom([]string{`null`, `"null"`, `""`, `"a"`, `"a\",\"b\":\"a"`, `1`, `"1"`, `[]`, `[null]`, `{}`, `{"b":1}`})
	return tuple{
		Mode:      rapid.SampledFrom([]dedupe.Mode{dedupe.ActiveMode, dedupe.RequestMode, dedupe.OnceMode}).Draw(t, "mode"),
		Kind:      rapid.SampledFrom([]dedupe.ScopeKind{dedupe.TenantScope, dedupe.WorkspaceScope}).Draw(t, "kind"),
		ID:        uuid.UUID{15: rapid.ByteRange(0, 1).Draw(t, "id")},
		Type:      rapid.SampledFrom([]string{"a.b", "a.b{}", "a.b.c", "a"}).Draw(t, "type"),
		A:         value.Draw(t, "a"),
		B:         value.Draw(t, "b"),
		RequestID: rapid.SampledFrom([]string{"r", "r2", "a.b"}).Draw(t, "request"),
	}
})

func TestTwoJobsAreTheSameOnlyWhenTheirTuplesAre(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		one, two := anyTuple.Draw(t, "one"), anyTuple.Draw(t, "two")
		if one.Mode != dedupe.RequestMode && two.Mode != dedupe.RequestMode {
			two.RequestID = one.RequestID // it does not count
		}
		same := one.identity(t).Hash == two.identity(t).Hash
		if same != (one == two) {
			t.Fatalf("same identity: %t\n%+v\n%+v", same, one, two)
		}
	})
}

// Text may move from one field into the next without any part of it being lost: another job all the same.
func TestPartsCannotBeShiftedBetweenFields(t *testing.T) {
	t.Parallel()
	scope := dedupe.Tenant(uuid.UUID{})
	fire := time.Unix(0, 0)
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringN(1, 20, 60).Draw(t, "text")
		i := rapid.IntRange(0, len(text)).Draw(t, "i")
		j := rapid.IntRange(0, len(text)).Draw(t, "j")
		one := dedupe.ScheduleIdentity(scope, text[:i], text[i:], fire)
		two := dedupe.ScheduleIdentity(scope, text[:j], text[j:], fire)
		if (one.Hash == two.Hash) != (i == j) {
			t.Fatalf("type %q schedule %q against type %q schedule %q", text[:i], text[i:], text[:j], text[j:])
		}
		here := dedupe.ByPlace(text[:i], 1, fire).RunID(scope, text[i:])
		there := dedupe.ByPlace(text[:j], 1, fire).RunID(scope, text[j:])
		if (here == there) != (i == j) {
			t.Fatalf("stream %q type %q against stream %q type %q", text[:i], text[i:], text[:j], text[j:])
		}
	})
}

func TestScheduleIsNoNaturalKey(t *testing.T) {
	t.Parallel()
	scope := dedupe.Workspace(uuid.UUID{})
	natural, err := dedupe.Rule{Mode: dedupe.OnceMode}.Identify(scope, "a.b", []byte(`{}`), dedupe.Occurrence{})
	if err != nil {
		t.Fatal(err)
	}
	if natural == dedupe.ScheduleIdentity(scope, "a.b", "", time.Unix(0, 0)) {
		t.Error("a schedule shares its identity with a natural key")
	}
}

func TestFireTimeCountsInWholeSecondsOfUTC(t *testing.T) {
	t.Parallel()
	scope := dedupe.Workspace(uuid.UUID{})
	fire := time.Date(2026, 3, 29, 1, 0, 0, 0, time.UTC)
	want := dedupe.ScheduleIdentity(scope, "a.b", "nightly", fire)
	elsewhere := fire.Add(999 * time.Millisecond).In(time.FixedZone("", 7200))
	if dedupe.ScheduleIdentity(scope, "a.b", "nightly", elsewhere) != want {
		t.Error("the same second in another zone is another fire time")
	}
	if dedupe.ScheduleIdentity(scope, "a.b", "nightly", fire.Add(time.Second)) == want {
		t.Error("the next second is the same fire time")
	}
}

// Nothing that JSON leaves open may change an identity: key order, white space, escapes, the spelling of a number.
func TestSpellingNeverChangesAnIdentity(t *testing.T) {
	t.Parallel()
	rule := dedupe.Rule{Inputs: []string{"declared"}}
	scope := dedupe.Tenant(uuid.UUID{})
	rapid.Check(t, func(t *rapid.T) {
		value := anyJSON(3).Draw(t, "value")
		seed := rapid.Uint64().Draw(t, "seed")
		one := speller{rand.New(rand.NewPCG(seed, 1))}.object(map[string]any{"declared": value, "other": 1})
		two := speller{rand.New(rand.NewPCG(seed, 2))}.object(map[string]any{"declared": value})
		first, err1 := rule.Identify(scope, "a.b", []byte(one), dedupe.Occurrence{})
		second, err2 := rule.Identify(scope, "a.b", []byte(two), dedupe.Occurrence{})
		if err1 != nil || err2 != nil || first != second {
			t.Fatalf("%s (%v)\n%s (%v)", one, err1, two, err2)
		}
	})
}

func anyJSON(depth int) *rapid.Generator[any] {
	leaves := []*rapid.Generator[any]{
		rapid.Just[any](nil), rapid.Bool().AsAny(), rapid.String().AsAny(), rapid.IntRange(-1e9, 1e9).AsAny(),
		rapid.Custom(func(t *rapid.T) float64 { return float64(rapid.IntRange(-1e6, 1e6).Draw(t, "n")) / 1000 }).AsAny(),
	}
	if depth == 0 {
		return rapid.OneOf(leaves...)
	}
	list := rapid.SliceOfN(anyJSON(depth-1), 0, 3).AsAny()
	object := rapid.MapOfN(rapid.String(), anyJSON(depth-1), 0, 3).AsAny()
	return rapid.OneOf(append(leaves, list, object)...)
}

// speller writes JSON, each time in another of its spellings.
type speller struct{ *rand.Rand }

func (s speller) space() string {
	return []string{"", "", " ", "\n\t", "\r  "}[s.IntN(5)]
}

func (s speller) value(v any) string {
	switch v := v.(type) {
	case string:
		return s.text(v)
	case int:
		return s.number(strconv.Itoa(v))
	case float64:
		return s.number(strconv.FormatFloat(v, 'f', -1, 64))
	case []any:
		parts := make([]string, len(v))
		for i := range v {
			parts[i] = s.space() + s.value(v[i]) + s.space()
		}
		return "[" + strings.Join(parts, ",") + "]"
	case map[string]any:
		return s.object(v)
	default:
		return fmt.Sprint(map[any]string{nil: "null", true: "true", false: "false"}[v])
	}
}

func (s speller) object(members map[string]any) string {
	parts := make([]string, 0, len(members))
	for name, v := range members { // in an order that Go leaves open
		parts = append(parts, s.space()+s.text(name)+s.space()+":"+s.space()+s.value(v)+s.space())
	}
	return "{" + strings.Join(parts, ",") + "}"
}

func (s speller) text(v string) string {
	plain, _ := json.Marshal(v)
	if s.IntN(2) == 0 {
		return string(plain)
	}
	var b strings.Builder
	for _, r := range v {
		if r > 0xffff {
			r -= 0x10000
			fmt.Fprintf(&b, `\u%04x\u%04X`, 0xd800+r>>10, 0xdc00+r&0x3ff)
			continue
		}
		fmt.Fprintf(&b, `\u%04x`, r)
	}
	return `"` + b.String() + `"`
}

// number moves the decimal point and makes good for it in the exponent.
func (s speller) number(plain string) string {
	whole, fraction, _ := strings.Cut(plain, ".")
	switch s.IntN(4) {
	case 0:
		return plain
	case 1:
		return fmt.Sprintf("%s.%s00", whole, fraction+"0")
	case 2:
		return fmt.Sprintf("%s.%s0%c+0", whole, fraction, "eE"[s.IntN(2)])
	default:
		sign, digits := "", strings.TrimPrefix(whole, "-")+fraction
		if digits = strings.TrimLeft(digits, "0"); digits == "" {
			return "-0e12"
		}
		if whole[0] == '-' {
			sign = "-"
		}
		return fmt.Sprintf("%s%s00e%d", sign, digits, -len(fraction)-2)
	}
}
