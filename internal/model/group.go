package model

// Group commit, for handlers that queue their effects (job.Queue): one transaction has the effects of many attempts, and
// finish.sql for all of them as its last statement. The ledger's other statements see it as one step, its commit: what
// finish.sql has taken it has locked, and what comes before only writes effects.

// group is a set of workers' slots, and of runs: a bit for each.
type group uint8

func (g group) has(k int) bool { return g&(1<<k) != 0 }

// groupSteps lets any of those that wait be a group: who is told to run alone is one of one.
func (c *Config) groupSteps(b *branches) {
	var waiting group
	for k := range b.from.workers {
		if w := &b.from.workers[k]; w.stage == gathered && !b.from.run(w.run).landing { // else finish.sql waits
			waiting |= 1 << k
		}
	}
	for g := group(1); g <= waiting; g++ {
		if g&^waiting == 0 {
			c.commitGroup(b, g)
		}
	}
}

// gather is the end of a handler that has queued its effects.
func (c *Config) gather(b *branches, k int) {
	n := *b.from
	w := &n.workers[k]
	w.stage = gathered
	b.step(&n, "worker: the handler of %s returns, its effects queued", runNote(w.run), blank)
	w.bad = true
	b.fault(StatementFails, &n, "worker: the handler of %s returns, and one of the statements that it queued is BAD", runNote(w.run), blank)
}

// members are those of a group by what its transaction finds out about them.
type members struct {
	bad    group // a statement of theirs failed: rolled back to their savepoints
	fenced group // finish.sql did not find their tokens
	good   group
}

// commitGroup is the transaction: a bad member is rolled back to its savepoint, a fenced one rolls everything back.
func (c *Config) commitGroup(b *branches, g group) {
	n := *b.from
	m := c.part(&n, g)
	switch all := n.runsOf(g); {
	case m.bad == g:
		b.step(&n, "group of %s: nothing but bad statements, ROLLBACK", all, blank)
	case m.bad != 0 && !c.Rules.Has(BadTakesNobody):
		n.letGo(g &^ m.bad)
		b.step(&n, "group of %s: %s has a bad statement, ROLLBACK, and all are let go", all, n.runsOf(m.bad))
	case m.bad != 0 && !c.Rules.Has(EndedByCommit):
		n.count(m.good)
		b.step(&n, "group of %s: %s has a bad statement, ROLLBACK, and the others are taken for ended", all, n.runsOf(m.bad))
	case m.fenced != 0 && !c.Rules.Has(FencedTakesNobody):
		n.letGo(g &^ m.bad)
		b.step(&n, "group of %s: %s is FENCED, ROLLBACK, and all are let go", all, b.from.runsOf(m.fenced))
	case m.fenced != 0 && c.Rules.Has(FencedUndoesGroup):
		n.letGo(m.fenced) // the others are sent again without it
		b.step(&n, "group of %s: finish says that %s is FENCED, ROLLBACK", all, b.from.runsOf(m.fenced))
	default:
		c.land(b, &n, m)
	}
}

// part tells the members apart. The bad ones have their error, and go the way of any attempt that has failed.
func (c *Config) part(n *state, g group) (m members) {
	for k := range n.workers {
		w := &n.workers[k]
		switch {
		case !g.has(k):
		case w.bad && c.Rules.Has(BadIsNotEnded):
			w.stage = failing
			n.hurt(c, w)
			m.bad |= 1 << k
		case !c.passes(w, n.run(w.run)) && (c.Rules.Has(EndsByToken) || !c.anotherPasses(n, g, w.run)):
			m.fenced |= 1 << k
		default:
			m.good |= 1 << k
		}
	}
	return m
}

// anotherPasses reports whether some attempt in a group holds a run.
func (c *Config) anotherPasses(s *state, g group, ref uint8) bool {
	for k := range s.workers {
		if w := &s.workers[k]; g.has(k) && w.run == ref && c.passes(w, s.run(ref)) {
			return true
		}
	}
	return false
}

// land is the COMMIT, whose answer may be lost.
func (c *Config) land(b *branches, n *state, m members) {
	lost, all, bad := *n, n.runsOf(m.bad|m.fenced|m.good), n.runsOf(m.bad)
	c.commitMembers(n, m)
	done := *n
	n.count(m.good)
	if m.bad == 0 {
		b.step(n, "group of %s: effects, finish, COMMIT", all, blank)
	} else {
		b.step(n, "group of %s: effects, ROLLBACK TO SAVEPOINT for %s, finish of the others, COMMIT", all, bad)
	}
	c.unanswered(&done, m.good)
	b.fault(CommitUnknown, &done, "group of %s: effects, finish, COMMIT: done, and the REPLY IS LOST", all, blank)
	c.unanswered(&lost, m.good)
	underWay := lost
	b.fault(CommitUnknown, &lost, "group of %s: effects, finish, COMMIT: rolled back, and the REPLY IS LOST", all, blank)
	for k := range underWay.workers {
		if m.good.has(k) {
			underWay.run(underWay.workers[k].run).landing = true
		}
	}
	b.fault(CommitUnknown, &underWay, "group of %s: effects, finish, COMMIT: under way, and the CONNECTION IS LOST", all, blank)
}

// commitMembers has everything committed that the transaction holds.
func (c *Config) commitMembers(n *state, m members) {
	for k := range n.workers {
		w := &n.workers[k]
		switch {
		case m.good.has(k) && w.bad: // without BadIsNotEnded
			c.end(n, w.run, succeeded)
		case m.good.has(k) && !c.passes(w, n.run(w.run)): // without EndsByToken
			n.run(w.run).effects++
		case m.good.has(k):
			c.commit(n, w)
		case m.fenced.has(k): // without FencedUndoesGroup
			n.run(w.run).effects++
			n.letGo(1 << k)
		case m.bad.has(k) && !c.Rules.Has(SavepointIsTheJobs):
			n.run(w.run).effects++
		}
	}
}

// unanswered are those that must ask. They wait for their group again once they know that it did not commit.
func (c *Config) unanswered(n *state, good group) {
	for k := range n.workers {
		if w := &n.workers[k]; good.has(k) && c.Rules.Has(GroupAsks) {
			w.stage = asking
		}
	}
}

// count has these attempts counted as ended, and their messages acknowledged.
func (s *state) count(g group) {
	for k := range s.workers {
		if w := &s.workers[k]; g.has(k) {
			s.run(w.run).counted++
			w.stage = acking
		}
	}
}

// letGo drops attempts without an acknowledgement: the next delivery, or the lease, has the answer.
func (s *state) letGo(g group) {
	for k := range s.workers {
		if g.has(k) {
			s.workers[k] = worker{}
		}
	}
}

// runsOf are the runs of a group's members.
func (s *state) runsOf(g group) word {
	var runs group
	for k := range s.workers {
		if g.has(k) {
			runs |= 1 << s.workers[k].run
		}
	}
	return word{runsWord, uint8(runs)}
}

// hurt notes that something went wrong with the attempt itself, which alone may cost it its run (own fault).
func (s *state) hurt(c *Config, w *worker) {
	if w.run == 0 || !c.Queue {
		return
	}
	if r := s.run(w.run); w.holds(r) {
		r.hurt = true
	}
}

// forfeit notes that a run is taken from its attempt, or that its attempt gives it up.
func (c *Config) forfeit(s *state, r *run) {
	if c.Queue && !r.hurt {
		s.blame(OwnFault)
	}
	r.hurt = false
}
