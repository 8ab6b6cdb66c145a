package oprun

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Outcome is how a run ended, or Pending.
type Outcome string

// The outcomes.
const (
	Pending            Outcome = "pending"
	Succeeded          Outcome = "succeeded"
	PartiallySucceeded Outcome = "partially_succeeded"
	Blocked            Outcome = "blocked"
	Failed             Outcome = "failed"
	Cancelled          Outcome = "cancelled"
)

// Outcomes returns every outcome of a run that has ended.
func Outcomes() []Outcome {
	return []Outcome{Succeeded, PartiallySucceeded, Blocked, Failed, Cancelled}
}

// AttemptResult is how one attempt ended.
type AttemptResult string

// The results of an attempt.
const (
	AttemptSucceeded AttemptResult = "succeeded"
	AttemptFailed    AttemptResult = "failed"
	AttemptTimedOut  AttemptResult = "timed_out"
	AttemptPanicked  AttemptResult = "panicked"
	AttemptFenced    AttemptResult = "fenced"
	AttemptCancelled AttemptResult = "cancelled"
	AttemptAbandoned AttemptResult = "abandoned"
)

// AttemptResults returns every result of an attempt.
func AttemptResults() []AttemptResult {
	return []AttemptResult{
		AttemptSucceeded, AttemptFailed, AttemptTimedOut, AttemptPanicked, AttemptFenced, AttemptCancelled, AttemptAbandoned,
	}
}

// Cause is who or what stopped an attempt that ended as cancelled.
type Cause string

// The causes.
const (
	ByOperator  Cause = "operator"   // the run's cancellation was asked for
	ByDrain     Cause = "drain"      // its worker shut down
	ByLeaseLost Cause = "lease_lost" // its worker could not prolong the lease
	ByHandler   Cause = "handler"    // the handler asked for it
)

// Limits of what a run keeps of its result.
const (
	MaxFailures       = 20   // distinct (code, message) pairs
	MaxFailureMessage = 140  // characters
	MaxAttemptError   = 4096 // bytes
)

// Failure is one kind of failure of a run, and how often it occurred.
type Failure struct {
	Code    string `json:"code"`    // dotted, stable: handler.error
	Message string `json:"message"` // one line, no payload
	Count   int64  `json:"count"`
}

// standardCounts are the summary keys that every type may use.
var standardCounts = []string{
	"total", "processed", "succeeded", "failed", "skipped", "created", "updated", "deleted", "unchanged", "retried", "bytes",
}

// NormalizeCounts returns the counts that a run may keep: the standard keys and the type's own, each at least 0.
// Dropped says how many were left out.
func NormalizeCounts(counts map[string]int64, own []string) (kept map[string]int64, dropped int) {
	for key, n := range counts {
		if n < 0 || !slices.Contains(standardCounts, key) && !slices.Contains(own, key) {
			dropped++
			continue
		}
		if kept == nil {
			kept = make(map[string]int64, len(counts))
		}
		kept[key] = n
	}
	return kept, dropped
}

// NormalizeFailures returns the failures that a run keeps: equal ones counted together, the most frequent first, at
// most MaxFailures of them, codes and messages in their form.
func NormalizeFailures(failures []Failure) []Failure {
	type key struct{ code, message string }
	counted := make(map[key]int, len(failures))
	var kept []Failure
	for _, f := range failures {
		k := key{failureCode(f.Code), OneLine(f.Message, MaxFailureMessage)}
		at, seen := counted[k]
		if !seen {
			at = len(kept)
			counted[k] = at
			kept = append(kept, Failure{Code: k.code, Message: k.message})
		}
		kept[at].Count += max(1, f.Count)
	}
	slices.SortStableFunc(kept, func(a, b Failure) int { return cmp.Compare(b.Count, a.Count) })
	return kept[:min(len(kept), MaxFailures)]
}

// failureCode returns the code, or handler.error when it is not of the form of a code.
func failureCode(code string) string {
	const fallback, longest = "handler.error", 100
	if code == "" || len(code) > longest || strings.Trim(code, ".") != code {
		return fallback
	}
	for _, r := range code {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '_' && r != '.' {
			return fallback
		}
	}
	return code
}

// OneLine returns text as one printable line of at most limit characters: what is not printable becomes a space,
// what is too long is cut.
func OneLine(text string, limit int) string {
	line := strings.Join(strings.FieldsFunc(strings.ToValidUTF8(text, "\uFFFD"), func(r rune) bool {
		return unicode.IsSpace(r) || !unicode.IsPrint(r)
	}), " ")
	if utf8.RuneCountInString(line) <= limit {
		return line
	}
	return string([]rune(line)[:limit-1]) + "…"
}

// errorText returns what an attempt keeps of a handler's error: valid text without NUL, at most MaxAttemptError bytes.
func errorText(text string) string {
	text = strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
	if len(text) <= MaxAttemptError {
		return text
	}
	end := MaxAttemptError
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end]
}

// countsText returns counts as a parameter; no counts are an empty text.
func countsText(counts map[string]int64) (string, error) {
	if len(counts) == 0 {
		return "", nil
	}
	text, err := json.Marshal(counts)
	return string(text), err
}

// failuresText returns failures as a parameter, in their form: one that the schema refuses would take the whole
// batch with it. No failures are an empty text.
func failuresText(failures []Failure) (string, error) {
	if len(failures) == 0 {
		return "", nil
	}
	text, err := json.Marshal(NormalizeFailures(failures))
	return string(text), err
}
