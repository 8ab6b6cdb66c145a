package oprun

// Freshness says whether a run moves as its type declares. It is derived by operation_runs_view, and never stored.
type Freshness string

// The freshnesses.
const (
	FreshActive      Freshness = "fresh_active"
	LikelyStale      Freshness = "likely_stale"      // active, and longer in its status than its type's stale_after
	ReconciledFailed Freshness = "reconciled_failed" // housekeeping ended it as failed
	TerminalNormal   Freshness = "terminal_normal"
	UnknownFreshness Freshness = "unknown" // active, and no worker has told what its type calls stale
)

// Freshnesses returns every freshness.
func Freshnesses() []Freshness {
	return []Freshness{FreshActive, LikelyStale, ReconciledFailed, TerminalNormal, UnknownFreshness}
}

// Problem says what an operator has to do about a run. It is derived by operation_runs_view, and never stored.
type Problem string

// The problems.
const (
	NoProblem            Problem = "none"
	ActiveStaleAttention Problem = "active_stale_attention" // likely stale: look at it
	TerminalFollowUp     Problem = "terminal_follow_up"     // ended, and not well: failed, blocked or partially succeeded
)

// Problems returns every problem.
func Problems() []Problem { return []Problem{NoProblem, ActiveStaleAttention, TerminalFollowUp} }
