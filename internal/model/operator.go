package model

// Time and the operator: leases and cooldowns end, runs are cancelled (cancel.sql).

func (c *Config) timeSteps(b *branches) {
	for i := range b.from.runs {
		ref := uint8(i + 1)
		r := b.from.run(ref)
		if r.status == running && r.lease == live {
			c.endLease(b, ref)
		}
		if r.cooling {
			n := *b.from
			n.run(ref).cooling = false
			b.step(&n, "time: the cooldown after %s is over", runNote(ref), blank)
		}
		if r.active() && !r.hidden && !r.cancel && !b.from.locked(ref) && b.from.faults[CancelAsked] > 0 {
			c.cancel(b, ref)
		}
	}
}

// endLease is a fault only while the holder lives: else it is what leases are for.
func (c *Config) endLease(b *branches, ref uint8) {
	n := *b.from
	n.run(ref).lease = ended
	alive, unbeaten := false, false
	for k := range n.workers {
		if w := &n.workers[k]; w.token == n.run(ref).token {
			w.lapsed, alive = true, alive || w.stage != idle
			unbeaten = w.stage == gathered && !c.Rules.Has(GatheredBeats)
		}
	}
	switch {
	case unbeaten:
		b.step(&n, "time: the lease of %s ends, nobody beating while it waits for its group", runNote(ref), blank)
	case alive:
		n.run(ref).hurt = c.Queue
		b.fault(Pause, &n, "time: the lease of %s ENDS while its holder is paused", runNote(ref), blank)
	default:
		b.step(&n, "time: the lease of %s ends, its holder being dead", runNote(ref), blank)
	}
}

// cancel ends a queued run. A running one is asked to stop: its identity stays owned until somebody ends it.
func (c *Config) cancel(b *branches, ref uint8) {
	n := *b.from
	if r := n.run(ref); r.status == queued || !c.Rules.Has(CancelKeepsOwner) {
		c.end(&n, ref, cancelled)
	} else {
		r.cancel = true
	}
	b.fault(CancelAsked, &n, "operator: cancels %s", runNote(ref), blank)
}
