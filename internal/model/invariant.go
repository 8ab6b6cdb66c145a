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
	I12                   // counters never exceed terminal rows, and no success is missing in them when no process died
	OwnInput              // a run executes its own input: the row's, or the body of the very message that made it
	OwnFault              // an attempt loses its run only for what went wrong with itself
	StaysParked           // nothing but its tenant's resumption makes a parked run due
)

// String returns its name in docs/protocol.md.
func (i Invariant) String() string { return invariantNames[i] }

var invariantNames = map[Invariant]string{
	Holds: "holds", I1: "I1", I2: "I2", I3: "I3", I4: "I4", I5: "I5", I6: "I6", I7: "I7", I8: "I8", I9: "I9", I10: "I10", I12: "I12",
	OwnInput: "own input", OwnFault: "own fault", StaysParked: "stays parked",
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
	var owners, followUps [maxRequests + 1]uint8 // by identity
	once := 0
	for i := range s.runs {
		r := &s.runs[i]
		switch {
		case r.active() && r.followUp:
			followUps[c.identity(r.by)]++
		case r.active():
			owners[c.identity(r.by)]++
		}
		if c.Once && r.status != absent && !c.retried(r) {
			once++
		}
		if r.followUp && r.status == running {
			return c.unless(I1)
		}
	}
	for i := range owners {
		if owners[i] > 1 || followUps[i] > 1 || once > 1 {
			return c.unless(I1)
		}
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
		case r.counted > 1, r.counted == 1 && !r.terminal(), c.uncounted(s, uint8(i+1)):
			broken = I12
		}
		if broken = c.unless(broken); broken != Holds {
			return broken
		}
	}
	return Holds
}

// uncounted reports whether a success is counted by nobody, though no process has died: none is at the run any more.
func (c *Config) uncounted(s *state, ref uint8) bool {
	if s.run(ref).status != succeeded || s.run(ref).counted > 0 || s.faults[Crash] < c.Faults[Crash] || c.Faults[Failover] > 0 {
		return false
	}
	for i := range s.workers {
		if s.workers[i].run == ref {
			return false
		}
	}
	return true
}

// checkLeases asks the workers: one that has not lost its lease believes in it.
func (c *Config) checkLeases(s *state) Invariant {
	var believers [maxRequests + 1]uint8 // by identity
	for i := range s.workers {
		w := &s.workers[i]
		if !w.atRun() || w.lapsed {
			continue
		}
		of := c.identity(s.run(w.run).by)
		if believers[of]++; believers[of] > 1 {
			return c.unless(I3)
		}
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
