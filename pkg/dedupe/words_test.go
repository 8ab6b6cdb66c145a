package dedupe_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/uuid"

	"oprun.example/pkg/dedupe"
)

// A word that is parsed is the word that was written, and nothing else is a word.
func checkWords[T fmt.Stringer](t *testing.T, parse func(string) (T, error), words []T, want ...string) {
	t.Helper()
	var got []string
	for _, w := range words {
		got = append(got, w.String())
		back, err := parse(w.String())
		if err != nil || back.String() != w.String() {
			t.Errorf("%s is read back as %s (%v)", w, back, err)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("words are %q, frozen as %q", got, want)
	}
	for _, s := range []string{"", "Execute", "verdict 0", "reason 0", "mode 3", "scope kind 0", " active"} {
		if w, err := parse(s); err == nil {
			t.Errorf("%q is read as %s", s, w)
		}
	}
}

func TestVerdictWords(t *testing.T) {
	t.Parallel()
	checkWords(t, dedupe.ParseVerdict, dedupe.Verdicts(), "execute", "duplicate", "follow_up", "completed", "cooldown", "busy",
		"not_due", "exhausted", "cancelled", "suspended", "unknown_run", "rejected")
}

func TestReasonWords(t *testing.T) {
	t.Parallel()
	checkWords(t, dedupe.ParseReason, dedupe.Reasons(), "malformed", "oversize", "header_invalid", "version_unknown",
		"scope_unknown", "type_unknown", "type_mismatch", "identity_input_missing", "identity_input_inexact", "unknown_run",
		"older_than_retention", "schema")
}

func TestModeWords(t *testing.T) {
	t.Parallel()
	checkWords(t, dedupe.ParseMode, []dedupe.Mode{dedupe.ActiveMode, dedupe.RequestMode, dedupe.OnceMode}, "active", "request", "once")
}

func TestScopeKindWords(t *testing.T) {
	t.Parallel()
	checkWords(t, dedupe.ParseScopeKind, []dedupe.ScopeKind{dedupe.TenantScope, dedupe.WorkspaceScope}, "tenant", "workspace")
}

func TestValuesThatAreNoWordSayWhatTheyAre(t *testing.T) {
	t.Parallel()
	for want, word := range map[string]fmt.Stringer{
		"verdict 0": dedupe.Verdict(0), "verdict 200": dedupe.Verdict(200), "reason 0": dedupe.Reason(0), "reason 99": dedupe.Reason(99),
		"mode 3": dedupe.Mode(3), "scope kind 0": dedupe.ScopeKind(0),
	} {
		if word.String() != want {
			t.Errorf("%q, want %q", word, want)
		}
	}
}

func TestScopeIsSpelledAsInASubject(t *testing.T) {
	t.Parallel()
	id := uuid.MustParse("6F9619FF-8B86-4D01-B42D-00CF4FC964E1")
	if got := dedupe.Tenant(id).String(); got != "tenant.6f9619ff-8b86-4d01-b42d-00cf4fc964e1" {
		t.Error(got)
	}
	if got := dedupe.Workspace(id).String(); got != "workspace.6f9619ff-8b86-4d01-b42d-00cf4fc964e1" {
		t.Error(got)
	}
}
