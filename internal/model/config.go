package model

// Entry is how a request comes.
type Entry uint8

// The ways in.
const (
	LedgerFirst  Entry = iota // DispatchTx: the run row is the outbox
	MessageFirst              // any NATS client: the claim makes the run row
	Retry                     // an operator tries the first request's run again, once it has ended
)

// Config is one search: who asks for what, under which policies, faults and rules.
type Config struct {
	Requests  []Entry // at most three
	Attempts  uint8   // max_attempts
	FollowUp  bool    // on_duplicate: follow_up; else skip
	Once      bool    // identity_mode: once
	Cooldown  bool    // a success keeps later requests away for a while
	Undated   bool    // request ids carry no time: the horizon cannot judge them
	Retention bool    // terminal runs grow old and are deleted
	Poison    bool    // every attempt kills its worker
	Apart     bool    // each request is for a job of its own; not with FollowUp, Once or Cooldown
	Queue     bool    // handlers queue their effects, for one transaction of many; the workers are slots of one process
	// Statements takes claims apart into snapshots and writes. It finds races, and multiplies the states.
	Statements bool
	Faults     Budget
	Rules      Rules
	Ignore     []Invariant // not checked, to see what else misses a rule
}

// slots is how many workers there are: two, and a third where three jobs can be a group.
func (c *Config) slots() int {
	if c.Queue && len(c.Requests) == maxRequests {
		return maxWorkers
	}
	return 2
}

// sequences reports whether places in the stream are told apart by number.
func (c *Config) sequences() bool {
	return c.Faults[StreamMadeAnew] > 0 || !c.Rules.Has(OccurrenceIsNotSequence)
}

func (c *Config) ignores(i Invariant) bool {
	for _, other := range c.Ignore {
		if i == other {
			return true
		}
	}
	return false
}
