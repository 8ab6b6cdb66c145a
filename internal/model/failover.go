package model

// An asynchronous standby, and a failover to it: the ledger loses its last commits. What callers wrote with them is lost
// as well; the stream is not, and is replayed.

func (c *Config) failoverSteps(b *branches) {
	if b.from.faults[Failover] == 0 || b.from.standby == b.from.ledger {
		return
	}
	n := *b.from
	n.standby = n.ledger
	b.step(&n, "standby: catches up")
	n = *b.from
	n.ledger = b.from.standby
	for i := range c.Requests {
		c.rewind(&n, b.from.requests[i], i)
	}
	n.dropHidden()
	n.standby = n.ledger
	n.replay = c.Rules.Has(LimitsRetention)
	for k := range n.workers { // what is left of a claim is no lease in this ledger, nor does it know who joined
		w := &n.workers[k]
		w.late = false
		w.lapsed = w.lapsed || w.atRun() && !w.holds(n.run(w.run))
	}
	b.fault(Failover, &n, "ledger: FAILOVER, its last commits are lost")
}

// rewind tells what becomes of a request: a producer's message is still in the stream, a caller's transaction is gone.
func (c *Config) rewind(s *state, before request, i int) {
	q := &s.requests[i]
	switch {
	case c.Requests[i] == MessageFirst:
		q.entry, q.acked = before.entry, before.acked
	case before.entry == open, q.entry == open, before.entry == accepted && q.entry != accepted:
		*q = request{entry: excused}
	}
}

func (s *state) dropHidden() {
	for i := range s.runs {
		if s.runs[i].hidden {
			s.runs[i] = run{}
		}
	}
}
