package jobstest

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"

	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/oprun"
)

// Run is what has become of a job on a bench. Its Want methods fail the test, which goes on, and say what the ledger has.
type Run struct {
	ID       uuid.UUID // of the run that stands for the job; zero: there is none
	Type     string
	Outcome  oprun.Outcome // oprun.Pending: it has not ended
	Counts   map[string]int64
	Failures []oprun.Failure
	// Attempts are the results of its attempts that are over, in order.
	Attempts []oprun.AttemptResult
	// Verdicts are the ledger's answers to the deliveries of its messages, in order. A rehearsal has none.
	Verdicts []dedupe.Verdict
	// Dispatched are the jobs that its handler has asked for through a dispatcher and that were not there before. They
	// wait: see Bench.Continue.
	Dispatched []Dispatched
	// Handled is how often the handler was called.
	Handled int

	t       TB
	details string   // what the ledger says beyond that
	message []uint64 // where its messages are in the stream
	request request
}

// WantOutcome fails the test unless the run has ended so; oprun.Pending wants that it has not ended.
func (r *Run) WantOutcome(want oprun.Outcome) {
	r.t.Helper()
	if r.Outcome != want {
		r.fail("outcome", r.Outcome, want)
	}
}

// WantSucceeded is WantOutcome of a success without failures.
func (r *Run) WantSucceeded() {
	r.t.Helper()
	r.WantOutcome(oprun.Succeeded)
}

// WantCounts fails the test unless these are the run's summary counts, all of them: those of the attempt that has ended it.
// A count of 0 is a count.
func (r *Run) WantCounts(want map[string]int64) {
	r.t.Helper()
	if !maps.Equal(r.Counts, want) {
		r.fail("counts", showCounts(r.Counts), showCounts(want))
	}
}

// WantFailures fails the test unless these are the codes of the run's failure summary, in order.
func (r *Run) WantFailures(codes ...string) {
	r.t.Helper()
	got := make([]string, len(r.Failures))
	for i, f := range r.Failures {
		got[i] = f.Code
	}
	if !slices.Equal(got, codes) {
		r.fail("failures", list(got), list(codes))
	}
}

// WantAttempts fails the test unless its attempts came to these results, in order.
func (r *Run) WantAttempts(results ...oprun.AttemptResult) {
	r.t.Helper()
	if !slices.Equal(r.Attempts, results) {
		r.fail("attempts", list(r.Attempts), list(results))
	}
}

// WantVerdicts fails the test unless the ledger has answered the deliveries of its messages so, in order.
func (r *Run) WantVerdicts(verdicts ...dedupe.Verdict) {
	r.t.Helper()
	if !slices.Equal(r.Verdicts, verdicts) {
		r.fail("verdicts", list(r.Verdicts), list(verdicts))
	}
}

// WantDispatched fails the test unless the handler has asked for jobs of these types, one of each time that a type is named,
// in whatever order.
func (r *Run) WantDispatched(types ...string) {
	r.t.Helper()
	got := make([]string, len(r.Dispatched))
	for i, d := range r.Dispatched {
		got[i] = d.Type
	}
	slices.Sort(got)
	if want := slices.Sorted(slices.Values(types)); !slices.Equal(got, want) {
		r.fail("dispatched jobs", list(got), list(want))
	}
}

func (r *Run) fail(what string, got, want any) {
	r.t.Helper()
	r.t.Errorf("jobstest: %s of %s: got %v, want %v\n%s", what, r.name(), got, want, r)
}

func (r *Run) name() string {
	if r.ID == uuid.Nil {
		return "a job of type " + r.Type
	}
	return "run " + r.ID.String() + " of " + r.Type
}

// String shows what the ledger has, in some lines.
func (r *Run) String() string {
	var s strings.Builder
	fmt.Fprintf(&s, "\toutcome: %s\n\tcounts: %s\n\tverdicts: %s\n\tattempts: %s, handler called %s", r.Outcome, showCounts(r.Counts),
		list(r.Verdicts), list(r.Attempts), times(r.Handled))
	for _, f := range r.Failures {
		fmt.Fprintf(&s, "\n\tfailure: %s ×%d %s", f.Code, f.Count, f.Message)
	}
	for _, d := range r.Dispatched {
		fmt.Fprintf(&s, "\n\tdispatched: %s %s", d.Type, d.Input)
	}
	return s.String() + r.details
}

func list[T any](values []T) string {
	if len(values) == 0 {
		return "none"
	}
	words := make([]string, len(values))
	for i, v := range values {
		words[i] = fmt.Sprint(v)
	}
	return strings.Join(words, ", ")
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

func showCounts(counts map[string]int64) string {
	var words []string
	for _, key := range slices.Sorted(maps.Keys(counts)) {
		words = append(words, fmt.Sprintf("%s=%d", key, counts[key]))
	}
	return list(words)
}
