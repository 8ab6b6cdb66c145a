package catalog

import (
	"fmt"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"oprun.example/pkg/dedupe"
)

// Job is what one job type declares. A zero field takes the default that its comment names.
type Job struct {
	Label     string           // for people; default: the job type
	ScopeKind dedupe.ScopeKind // required

	// Identity names the top-level inputs that make two jobs the same. Required: nil is a mistake, an empty list is
	// one identity per scope and type.
	Identity     []string
	IdentityMode dedupe.Mode
	OnDuplicate  OnDuplicate
	Cooldown     time.Duration // after a success the identity is not run again for so long; default 0, none

	Schema string // the path of a JSON Schema 2020-12 for the input; default none
	CEType string // what CloudEvents call this type; default none

	Timeout time.Duration // of one attempt; default 15m
	Lease   time.Duration // how long a claim is believed without a heartbeat, 3s to 10m; default 30s
	Retry   Retry

	ExpectedDuration time.Duration // default: Timeout
	StaleAfter       StaleAfter
	Counts           []string // the summary keys that this type adds to the standard set

	schema      *jsonschema.Schema
	schemaFiles map[string]any // what it was compiled from, by path
}

// Retry says how often a job is tried and how long it waits in between: exponential from Initial up to Max, with
// full jitter.
type Retry struct {
	MaxAttempts int           // attempts in all, 1 to 1000; default 5
	Initial     time.Duration // default 1s
	Max         time.Duration // default 5m
}

// StaleAfter says from when on a run that does not move is worth a look.
type StaleAfter struct {
	Queued  time.Duration // default: 3 × ExpectedDuration, at least 5m
	Running time.Duration // the same
}

// OnDuplicate says what becomes of a request whose identity has an active run already.
type OnDuplicate uint8

// The policies. The zero value is Skip, the default.
const (
	Skip     OnDuplicate = iota // it counts as served by the active run
	FollowUp                    // behind a running run it waits for a run of its own; at most one waits
)

// String returns the policy as a catalogue spells it.
func (d OnDuplicate) String() string {
	switch d {
	case Skip:
		return "skip"
	case FollowUp:
		return "follow_up"
	default:
		return fmt.Sprintf("on_duplicate %d", uint8(d))
	}
}

func parseOnDuplicate(s string) (OnDuplicate, error) {
	for _, d := range []OnDuplicate{Skip, FollowUp} {
		if d.String() == s {
			return d, nil
		}
	}
	return 0, fmt.Errorf("on_duplicate %q is neither skip nor follow_up", s)
}

// Rule returns the part of the declaration that makes identities.
func (j Job) Rule() dedupe.Rule {
	return dedupe.Rule{Mode: j.IdentityMode, Inputs: j.Identity}
}

// A year is longer than any run, and three of it do not overflow.
const longest = 365 * 24 * time.Hour

// withDefaults is the one place where a job's defaults are set.
func (j Job) withDefaults(jobType string) Job {
	orDefault(&j.Label, jobType)
	orDefault(&j.Timeout, 15*time.Minute)
	orDefault(&j.Lease, 30*time.Second)
	orDefault(&j.Retry.MaxAttempts, 5)
	orDefault(&j.Retry.Initial, time.Second)
	orDefault(&j.Retry.Max, 5*time.Minute)
	orDefault(&j.ExpectedDuration, j.Timeout)
	stale := max(3*min(j.ExpectedDuration, longest), 5*time.Minute)
	orDefault(&j.StaleAfter.Queued, stale)
	orDefault(&j.StaleAfter.Running, stale)
	return j
}

func orDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
