package model

// Invariant is a promise of docs/protocol.md by its number there.
type Invariant uint8

// The invariants that the model can see.
const (
	Holds       Invariant = iota
	I1                    // at most one owner and one follow-up per identity; of what happens once, one run
	I2                    // committed effects per run ≤ 1, and succeeded means exactly 1
	I3                    // never two unexpired leases on one identity
	I4                    // nothing accepted is lost
	I5                    // one occurrence creates at most one run, and one that joined another's creates none
	I6                    // every request of a type that follows up is covered by a claim later than it
	I7                    // attempt ≤ max, and poison ends
	I8                    // terminal is final
	I9                    // only the holder of the claim token changes a running row
	I10                   // acknowledged means ended, or durable in the ledger
	I12                   // counters never exceed terminal rows
	OwnInput              // a run executes its own input: the row's, or the body of the very message that made it
	StaysParked           // nothing but its tenant's resumption makes a parked run due
)

// String returns its name in docs/protocol.md.
func (i Invariant) String() string { return invariantNames[i] }

var invariantNames = map[Invariant]string{
	Holds: "holds", I1: "I1", I2: "I2", I3: "I3", I4: "I4", I5: "I5", I6: "I6", I7: "I7", I8: "I8", I9: "I9", I10: "I10", I12: "I12",
	OwnInput: "own input", StaysParked: "stays parked",
}

// check returns the first invariant that a state breaks.
func (c *Config) check(s *state) Invariant {
	for _, check := range []func(*state) Invariant{c.checkStep, c.checkIdentity, c.checkRuns, c.checkLeases} {
		if broken := check(s); broken != Holds {
			return broken
		}
	}
	return Holds
}

func (c *Config) checkStep(s *state) Invariant { return c.unless(s.blamed) }

// unless returns a broken invariant, unless it is ignored.
func (c *Config) unless(broken Invariant) Invariant {
	if c.ignores(broken) {
		return Holds
	}
	return broken
}

func (c *Config) checkIdentity(s *state) Invariant {
	var owners, followUps, once int
	for i := range s.runs {
		r := &s.runs[i]
		switch {
		case r.active() && r.followUp:
			followUps++
		case r.active():
			owners++
		}
		if c.Once && r.status != absent && !c.retried(r) {
			once++
		}
		if r.followUp && r.status == running {
			return c.unless(I1)
		}
	}
	if owners > 1 || followUps > 1 || once > 1 {
		return c.unless(I1)
	}
	return Holds
}

func (c *Config) checkRuns(s *state) Invariant {
	for i := range s.runs {
		r := &s.runs[i]
		var broken Invariant
		switch effective := r.effects > 0; {
		case r.effects > 1, r.status == succeeded && !effective:
			broken = I2
		case r.status != succeeded && effective && c.Rules.Has(EffectsWithFinish):
			broken = I2
		case r.attempt > c.Attempts:
			broken = I7
		case r.counted > 1:
			broken = I12
		}
		if broken = c.unless(broken); broken != Holds {
			return broken
		}
	}
	return Holds
}

// checkLeases asks the workers: one that has not lost its lease believes in it.
func (c *Config) checkLeases(s *state) Invariant {
	believers := 0
	for i := range s.workers {
		if w := &s.workers[i]; w.atRun() && !w.lapsed {
			believers++
		}
	}
	if believers > 1 {
		return c.unless(I3)
	}
	return Holds
}

// done reports whether everything that was asked for has come to its end.
func (c *Config) done(s *state) bool {
	for i := range c.Requests {
		switch q := &s.requests[i]; {
		case q.entry == excused:
		case q.entry == accepted && q.run != 0 && s.over(q) && !q.stale:
		case c.Requests[i] == Retry && q.entry == unasked && s.nothingToRetry():
		default:
			return false
		}
	}
	for i := range s.runs {
		if s.runs[i].active() {
			return false
		}
	}
	return true
}

// nothingToRetry reports whether the first request never came to a run.
func (s *state) nothingToRetry() bool { return s.request(1).entry == excused }

// unfinished tells which promise a state breaks from which nothing leads to the end.
func (c *Config) unfinished(s *state) Invariant {
	if c.Poison {
		return I7
	}
	for _, q := range s.requests {
		if q.stale {
			return I6
		}
	}
	return I4
}
