package model

// What a worker does with a run that it has: run it, finish.sql, requeue.sql, confirm.sql, and the acknowledgement.

func (c *Config) workSteps(b *branches, k int) {
	switch w := &b.from.workers[k]; w.stage {
	case executing:
		c.execute(b, k)
	case effected:
		c.finish(b, k)
	case failing:
		c.giveBack(b, k)
	case asking:
		c.confirm(b, k)
	case acking:
		c.acknowledge(b, k)
	case naking:
		n := *b.from
		if ref := w.message; ref != 0 && n.messages[ref-1].place == out {
			n.messages[ref-1].place = ready
		}
		n.workers[k] = worker{}
		b.step(&n, "worker: naks %s", w.subject(), blank)
	case idle:
		return
	default:
		c.claimSteps(b, k)
	}
	c.die(b, k)
}

// die is kill -9, which takes all slots of a process where one transaction is for all of them.
func (c *Config) die(b *branches, k int) {
	n := *b.from
	for other := range n.workers {
		if other == k || c.Queue {
			n.hurt(c, &n.workers[other])
			n.workers[other] = worker{}
		}
	}
	b.fault(Crash, &n, "worker: DIES, having %s: %s", b.from.workers[k].subject(), b.from.workers[k].fate())
}

func (c *Config) execute(b *branches, k int) {
	w := &b.from.workers[k]
	if c.Poison {
		n := *b.from
		n.workers[k] = worker{}
		b.step(&n, "worker: %s kills it", runNote(w.run), blank)
		return
	}
	if !c.Rules.Has(EffectsWithFinish) {
		n := *b.from
		n.run(w.run).effects++
		n.workers[k].stage = effected
		b.step(&n, "worker: the handler of %s commits its effects by itself", runNote(w.run), blank)
		return
	}
	if c.Queue {
		c.gather(b, k)
	} else {
		c.finish(b, k)
	}
	if r := b.from.run(w.run); w.holds(r) && r.cancel { // the heartbeat has told it
		n := *b.from
		c.end(&n, w.run, cancelled)
		n.run(w.run).counted++
		n.workers[k].stage = acking
		b.step(&n, "worker: stops %s, whose cancel was asked for", runNote(w.run), blank)
	}
	n := *b.from
	n.workers[k].stage = failing
	n.hurt(c, w)
	b.fault(HandlerFails, &n, "worker: the handler of %s fails", runNote(w.run), blank)
}

// passes is the fence: whether a result is taken.
func (c *Config) passes(w *worker, r *run) bool {
	switch {
	case !c.Rules.Has(Fenced):
		return r.status != absent
	case !c.Rules.Has(FenceByToken):
		return r.status == running && r.attempt == w.attempt
	default:
		return w.holds(r)
	}
}

// finish is the handler's transaction with its effects, and finish.sql as its last statement.
func (c *Config) finish(b *branches, k int) {
	w := b.from.workers[k]
	if !c.passes(&w, b.from.run(w.run)) {
		n := *b.from
		n.workers[k] = worker{} // rolled back and not acknowledged: the next delivery has the answer
		b.step(&n, "worker: finish of %s is FENCED, ROLLBACK", runNote(w.run), blank)
		return
	}
	n := *b.from
	c.commit(&n, &n.workers[k])
	lost := n
	n.run(w.run).counted++
	n.workers[k].stage = acking
	b.step(&n, "worker: finish of %s, COMMIT", runNote(w.run), blank)
	if lost.faults[CommitUnknown] == 0 {
		return
	}
	lost.workers[k].stage = asking
	b.fault(CommitUnknown, &lost, "worker: finish of %s, COMMIT: done, and the REPLY IS LOST", runNote(w.run), blank)
	lost = *b.from
	lost.workers[k].stage = asking
	b.fault(CommitUnknown, &lost, "worker: finish of %s, COMMIT: rolled back, and the REPLY IS LOST", runNote(w.run), blank)
	lost = *b.from
	lost.workers[k].stage, lost.run(w.run).landing = asking, true
	b.fault(CommitUnknown, &lost, "worker: finish of %s, COMMIT: under way, and the CONNECTION IS LOST", runNote(w.run), blank)
}

func (c *Config) commit(s *state, w *worker) {
	r := s.run(w.run)
	if r.token != w.token || r.status != running {
		s.blame(I9)
	}
	if w.stage != effected {
		r.effects++
	}
	c.end(s, w.run, succeeded)
}

// giveBack is requeue.sql: the run is parked with its input, and only then is the message done with.
func (c *Config) giveBack(b *branches, k int) {
	n := *b.from
	w := &n.workers[k]
	r := n.run(w.run)
	switch {
	case !c.passes(w, r):
		b.from.dropped(b, k)
		return
	case r.cancel:
		c.end(&n, w.run, cancelled)
		r.counted++
	case c.spent(r):
		c.end(&n, w.run, failed)
		r.counted++
	default:
		if !c.requeue(&n, w.run, backoff) {
			return // the index refuses: sent again, and again
		}
		if r.input == none && c.Rules.Has(RequeueKeepsInput) {
			r.input = own
		}
	}
	c.forfeit(&n, r)
	w.stage = acking
	b.step(&n, "worker: requeue of %s", runNote(w.run), blank)
}

// spent reports whether a failed attempt was the last.
func (c *Config) spent(r *run) bool {
	if !c.Rules.Has(CountedAtClaim) {
		r.attempt++
	}
	return r.attempt >= c.Attempts
}

// dropped lets go of an attempt that was fenced.
func (s *state) dropped(b *branches, k int) {
	n := *s
	n.workers[k] = worker{}
	b.step(&n, "worker: requeue of %s is FENCED", runNote(s.workers[k].run), blank)
}

// confirm asks, after an unknown commit, whether this attempt ended its run: it did when the run has ended at its
// attempt, and nobody is on record as having taken it away. It waits for a commit that is still at the run
// (confirm_wait.sql).
func (c *Config) confirm(b *branches, k int) {
	n := *b.from
	w := &n.workers[k]
	r := n.run(w.run)
	if r.landing && c.Rules.Has(ConfirmWaits) {
		return
	}
	ours := r.terminal() && r.attempt == w.attempt && !w.taken
	if !c.Rules.Has(AbandonedRecorded) {
		ours = r.terminal()
	}
	if ours {
		r.counted++
		w.stage = acking
		b.step(&n, "worker: confirms that it ended %s", runNote(w.run), blank)
		return
	}
	switch {
	case !c.Queue:
		w.stage = failing
	case c.Rules.Has(GroupSentAgain):
		w.stage = gathered
	default:
		n.letGo(1 << k)
	}
	b.step(&n, "worker: learns that its end of %s did not commit", runNote(b.from.workers[k].run), blank)
}

// landSteps are the end of a commit that nobody waits for any more: of all that its transaction holds, or of nothing.
func (c *Config) landSteps(b *branches) {
	done, undone := *b.from, *b.from
	var runs group
	for i := range b.from.runs {
		if ref := uint8(i + 1); b.from.run(ref).landing {
			runs |= 1 << ref
			done.run(ref).landing, undone.run(ref).landing = false, false
			done.run(ref).effects++
			c.end(&done, ref, succeeded)
		}
	}
	if runs == 0 {
		return
	}
	b.step(&done, "ledger: the commit of %s lands", word{runsWord, uint8(runs)}, blank)
	b.step(&undone, "ledger: the commit of %s is rolled back", word{runsWord, uint8(runs)}, blank)
}

func (c *Config) acknowledge(b *branches, k int) {
	w := b.from.workers[k]
	n := *b.from
	if c.Rules.Has(AckAfterCommit) {
		c.checkAck(&n, &w)
	}
	n.ack(c, &n.workers[k])
	n.workers[k] = worker{}
	b.step(&n, "worker: acks %s", w.subject(), blank)
	if w.message != 0 {
		n = *b.from
		n.workers[k] = worker{}
		b.fault(AckLost, &n, "worker: acks %s, and the ACK IS LOST", w.subject(), blank)
	}
}

// checkAck is I10: a message may go only when its request has ended, or is in the ledger with all that it needs. What a
// failover takes back was true when it was said; the replay mends it.
func (c *Config) checkAck(s *state, w *worker) {
	if w.named || c.Faults[Failover] > 0 {
		return
	}
	q := s.request(w.key)
	switch {
	case q.age != young:
	case q.run == 0:
		s.blame(I10)
	case s.run(q.run).by != w.key || s.run(q.run).terminal():
	case s.run(q.run).input == none && s.run(q.run).status == queued:
		s.blame(I10)
	}
}
