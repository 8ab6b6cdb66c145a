package dedupe_test

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"oprun.example/pkg/dedupe"
)

// goldenCase is one entry of testdata/identity.json, which other languages read too.
type goldenCase struct {
	Name      string
	Mode      string
	ScopeKind string `json:"scope_kind"`
	ScopeID   string `json:"scope_id"`
	Type      string
	Declared  []string
	Input     string

	RequestID     string `json:"request_id"`
	RequestTimeMS string `json:"request_time_ms"`
	Place         *struct {
		Stream      string
		Sequence    string
		StoreTimeNS string `json:"store_time_ns"`
	}
	Schedule *struct {
		Name     string
		FireTime time.Time `json:"fire_time"`
	}

	DeclaredAs string `json:"declared_as"`
	Identity   string
	MsgID      string `json:"msg_id"`
	RunID      string `json:"run_id"`
	Error      string
	Field      string
}

func readGolden(t *testing.T) []goldenCase {
	t.Helper()
	text, err := os.ReadFile("testdata/identity.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Cases []goldenCase }
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	return file.Cases
}

func (c goldenCase) scope(t *testing.T) dedupe.Scope {
	t.Helper()
	kind, err := dedupe.ParseScopeKind(c.ScopeKind)
	if err != nil {
		t.Fatal(err)
	}
	return dedupe.Scope{Kind: kind, ID: uuid.MustParse(c.ScopeID)}
}

func (c goldenCase) occurrence(t *testing.T) dedupe.Occurrence {
	t.Helper()
	if c.Place != nil {
		seq, err := strconv.ParseUint(c.Place.Sequence, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return dedupe.ByPlace(c.Place.Stream, seq, time.Unix(0, number(t, c.Place.StoreTimeNS)))
	}
	var at time.Time
	if c.RequestTimeMS != "" {
		at = time.UnixMilli(number(t, c.RequestTimeMS))
	}
	return dedupe.ByRequest(c.RequestID, at)
}

func (c goldenCase) identify(t *testing.T) (dedupe.Identity, error) {
	t.Helper()
	if c.Schedule != nil {
		return dedupe.ScheduleIdentity(c.scope(t), c.Type, c.Schedule.Name, c.Schedule.FireTime), nil
	}
	mode, err := dedupe.ParseMode(c.Mode)
	if err != nil {
		t.Fatal(err)
	}
	rule := dedupe.Rule{Mode: mode, Inputs: c.Declared}
	return rule.Identify(c.scope(t), c.Type, []byte(c.Input), c.occurrence(t))
}

func number(t *testing.T, text string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestGoldenVectors(t *testing.T) {
	t.Parallel()
	for _, c := range readGolden(t) {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			id, err := c.identify(t)
			if c.Error != "" {
				checkRefusal(t, c, err)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := hex.EncodeToString(id.Hash[:]); got != c.Identity {
				t.Errorf("identity is %s, frozen as %s", got, c.Identity)
			}
			if got := id.MsgID(c.RequestID); got != c.MsgID {
				t.Errorf("Nats-Msg-Id is %s, frozen as %s", got, c.MsgID)
			}
			if c.RunID == "" {
				return
			}
			if got := c.occurrence(t).RunID(c.scope(t), c.Type).String(); got != c.RunID {
				t.Errorf("run id is %s, frozen as %s", got, c.RunID)
			}
		})
	}
}

func checkRefusal(t *testing.T, c goldenCase, err error) {
	t.Helper()
	var refused *dedupe.InputError
	if !errors.As(err, &refused) {
		t.Fatalf("error is %v, want an InputError", err)
	}
	reason := dedupe.IdentityInputInexact
	if refused.Missing {
		reason = dedupe.IdentityInputMissing
	}
	if reason.String() != c.Error || refused.Field != c.Field {
		t.Errorf("refused for %s of %q, want %s of %q", reason, refused.Field, c.Error, c.Field)
	}
}

// The vectors are only worth something to another language while they hold every rule of the contract.
func TestGoldenVectorsAreComplete(t *testing.T) {
	t.Parallel()
	cases := readGolden(t)
	for name, holds := range goldenRules {
		if !anyCase(cases, holds) {
			t.Errorf("no golden case for: %s", name)
		}
	}
	seen := map[string]bool{}
	for _, c := range cases {
		if seen[c.Name] {
			t.Errorf("two golden cases are named %q", c.Name)
		}
		seen[c.Name] = true
	}
}

func anyCase(cases []goldenCase, holds func(goldenCase) bool) bool {
	for _, c := range cases {
		if holds(c) {
			return true
		}
	}
	return false
}

func spells(number string) func(goldenCase) bool {
	return func(c goldenCase) bool { return c.Error == "" && c.Input == `{"n":`+number+`}` }
}

func refuses(number string) func(goldenCase) bool {
	return func(c goldenCase) bool {
		return c.Error == "identity_input_inexact" && c.Input == `{"n":`+number+`}`
	}
}

func declares(part string) func(goldenCase) bool {
	return func(c goldenCase) bool { return strings.Contains(c.DeclaredAs, part) }
}

func dated(version string) func(goldenCase) bool {
	return func(c goldenCase) bool {
		id, err := uuid.Parse(c.RequestID)
		return err == nil && id.Version().String() == version
	}
}

var goldenRules = map[string]func(goldenCase) bool{
	"active, tenant":     func(c goldenCase) bool { return c.Mode == "active" && c.ScopeKind == "tenant" },
	"active, workspace":  func(c goldenCase) bool { return c.Mode == "active" && c.ScopeKind == "workspace" },
	"request, tenant":    func(c goldenCase) bool { return c.Mode == "request" && c.ScopeKind == "tenant" },
	"request, workspace": func(c goldenCase) bool { return c.Mode == "request" && c.ScopeKind == "workspace" },
	"once, tenant":       func(c goldenCase) bool { return c.Mode == "once" && c.ScopeKind == "tenant" && c.Schedule == nil },
	"once, workspace":    func(c goldenCase) bool { return c.Mode == "once" && c.ScopeKind == "workspace" && c.Schedule == nil },
	"a schedule":         func(c goldenCase) bool { return c.Schedule != nil },

	"an occurrence by place":                  func(c goldenCase) bool { return c.Place != nil && c.RunID != "" },
	"an occurrence by request":                func(c goldenCase) bool { return c.RequestID != "" && c.RunID != "" },
	"a request dated by its UUIDv7":           dated("VERSION_7"),
	"a request whose UUID is no date":         dated("VERSION_4"),
	"a request dated by its own time":         func(c goldenCase) bool { return c.RequestTimeMS != "" },
	"mode request without a request id":       func(c goldenCase) bool { return c.Mode == "request" && c.Place != nil },
	"no declared inputs":                      func(c goldenCase) bool { return c.DeclaredAs == "{}" },
	"declared names in an order of their own": func(c goldenCase) bool { return len(c.Declared) == 2 && c.Declared[0] > c.Declared[1] },

	"null is a value": declares(`:null`), "nested arrays": declares(`[[`), "UTF-16 order of keys": declares("\U0001f600\":2,\"\ufb33"),
	"escapes": declares(`\u0000\u0001\u001f\b\t\n\f\r\"\\`),
	"0.1":     spells("0.1"), "1.0": spells("1.0"), "1e3": spells("1e3"), "-0": spells("-0"),
	"2^53": spells("9007199254740992"), "2^53 + 1": refuses("9007199254740993"), "1e400": refuses("1e400"), "1e-400": refuses("1e-400"),
	"a missing input": func(c goldenCase) bool { return c.Error == "identity_input_missing" },
}
