package model

// The sweeper: sweep.sql, and sweep_waiting.sql with promote_orphan.sql.

func (c *Config) sweepSteps(b *branches) {
	for i := range b.from.runs {
		ref := uint8(i + 1)
		r := b.from.run(ref)
		switch {
		case !c.Rules.Has(SweeperRuns):
		case !c.Rules.Has(SweepRechecks):
			c.carelessSweep(b, ref)
		case r.status == running && r.lease == ended && r.due != never && !r.landing:
			c.sweep(b, ref)
		}
		if r.status == queued && r.followUp && !r.hidden && c.Rules.Has(OrphansPromoted) {
			c.promoteOrphan(b, ref)
		}
	}
}

// sweep takes a run from an attempt that stopped beating.
func (c *Config) sweep(b *branches, ref uint8) {
	n := *b.from
	r := n.run(ref)
	c.abandon(&n, r)
	switch {
	case r.cancel:
		c.end(&n, ref, cancelled)
		r.counted++
		b.step(&n, "sweeper: ends %s, whose cancel was asked for", runNote(ref), blank)
	case r.attempt >= c.Attempts:
		c.end(&n, ref, failed)
		r.counted++
		b.step(&n, "sweeper: %s has no attempt left", runNote(ref), blank)
	case c.requeue(&n, ref, now):
		b.step(&n, "sweeper: queues %s again", runNote(ref), blank)
	}
}

// carelessSweep reads in one statement and writes in the next, by id alone.
func (c *Config) carelessSweep(b *branches, ref uint8) {
	n := *b.from
	if r := n.run(ref); r.status == running && r.lease == ended && n.sweeping == 0 {
		n.sweeping = ref
		b.step(&n, "sweeper: reads that the lease of %s has ended", runNote(ref), blank)
	}
	if b.from.sweeping != ref {
		return
	}
	n = *b.from
	n.sweeping = 0
	if c.requeue(&n, ref, now) {
		b.step(&n, "sweeper: queues %s again, by its id", runNote(ref), blank)
	}
}

// promoteOrphan brings a follow-up to the front whose owner ended at the moment it came. When a new owner is quicker,
// the index refuses (23505), and it goes on waiting.
func (c *Config) promoteOrphan(b *branches, ref uint8) {
	by := b.from.run(ref).by
	if c.owner(b.from, by) != 0 || b.from.locked(ref) || c.conflict(b.from, by, queued, false, ref) != 0 {
		return
	}
	n := *b.from
	r := n.run(ref)
	r.followUp, r.due = false, now
	c.nextDispatch(&n, ref)
	b.step(&n, "sweeper: promotes %s, which waits behind nobody", runNote(ref), blank)
}
