package model

// How requests come: callers' transactions (ensure_*.sql), producers' messages, and an operator's retry (retry.sql).

func (c *Config) requestSteps(b *branches) {
	for i := range c.Requests {
		by := uint8(i + 1)
		switch q := b.from.request(by); {
		case q.entry == open:
			c.endTransaction(b, by)
		case c.Requests[i] == MessageFirst && (q.entry == unasked || b.from.faults[PublishedTwice] > 0):
			c.producerPublishes(b, by)
		case c.Requests[i] == LedgerFirst && q.entry == accepted && b.from.faults[CallerRepeats] > 0:
			c.repeat(b, by)
		case q.entry != unasked:
		case c.Requests[i] == LedgerFirst:
			c.ensure(b, by)
		case c.Requests[i] == Retry:
			c.retry(b, by)
		}
	}
}

// ensure is a caller's transaction up to its commit. What it makes is hidden until then; what it joins is locked, when
// it has not begun.
func (c *Config) ensure(b *branches, by uint8) {
	n := *b.from
	q, ref := n.request(by), by
	owner, cooling := c.owner(&n, by), c.cooling(&n)
	inTheWay := c.conflict(&n, by, queued, false, 0)
	switch {
	case n.run(ref).status != absent: // only where ids are not told apart
		return
	case inTheWay == 0 && cooling != 0:
		n.bind(by, cooling, true)
	case inTheWay == 0:
		r := c.insert(&n, ref, by)
		r.hidden, r.input = true, own
	case owner == 0 && n.run(inTheWay).hidden: // it waits for the transaction that makes the owner
		return
	case owner == 0: // what happens once has happened
		n.bind(by, inTheWay, true)
	case n.run(owner).status == queued:
		n.bind(by, owner, false)
		q.locks = true
	case !c.FollowUp:
		n.bind(by, owner, true)
	case !c.Rules.Has(FollowUpOfRunning):
		n.bind(by, owner, false)
		q.stale = true
	case !c.ensureFollowUp(&n, by):
		return
	}
	q.entry = open
	q.recorded = q.run != by && c.Rules.Has(DeliveriesRecorded)
	b.step(&n, "caller of %s: asks, and %s stands for it; not committed", requestNote(by), runNote(q.run))
}

// ensureFollowUp waits behind the running owner, or joins who does. It reports false when it has to wait for another
// transaction.
func (c *Config) ensureFollowUp(s *state, by uint8) bool {
	if heir := c.heir(s, by); heir != 0 {
		s.bind(by, heir, false)
		s.request(by).locks = true
		return true
	}
	if c.conflict(s, by, queued, true, 0) != 0 {
		return false
	}
	r := c.insert(s, by, by)
	r.hidden, r.followUp, r.input = true, true, own
	return true
}

// repeat is ensure_made.sql: what the request made or joined before stands for it for ever. Where that is not on record,
// the request counts as new.
func (c *Config) repeat(b *branches, by uint8) {
	n := *b.from
	q := n.request(by)
	known := q.recorded || n.run(by).status != absent || c.Rules.Has(HorizonRefuses) && c.belowFloor(q)
	if !known {
		if c.conflict(&n, by, queued, false, 0) != 0 {
			return
		}
		if q.created == 0 {
			n.blame(I5)
		}
		c.insert(&n, by, by).input = own
	}
	b.fault(CallerRepeats, &n, "caller of %s: did not hear of its COMMIT, and asks again", requestNote(by), blank)
}

func (c *Config) endTransaction(b *branches, by uint8) {
	n := *b.from
	q := n.request(by)
	r := n.run(q.run)
	// lend_input.sql: nobody else could see it before, since the run is locked
	if q.locks && r.status == queued && r.input == none && c.Rules.Has(JoinLendsInput) {
		r.spare = true
	}
	q.entry, q.locks = accepted, false
	if r.by == by {
		r.hidden = false
	}
	if r.status == succeeded && q.stale {
		n.blame(I6)
	}
	b.step(&n, "caller of %s: COMMIT", requestNote(by), blank)
	n = *b.from
	q = n.request(by)
	if r := n.run(q.run); r.by == by {
		*r = run{}
	}
	*q = request{entry: excused}
	b.fault(CallerAborts, &n, "caller of %s: ROLLBACK", requestNote(by), blank)
}

// producerPublishes stores a producer's message, unless the broker takes it for a duplicate.
func (c *Config) producerPublishes(b *branches, by uint8) {
	n := *b.from
	q := n.request(by)
	m := message{key: by}
	again := q.entry != unasked
	if again {
		m.nth = 1 + c.Faults[PublishedTwice] - n.faults[PublishedTwice]
	} else {
		q.entry = accepted
	}
	switch {
	case !c.Rules.Has(MsgIDIsNotIdentity) && n.identityUsed:
		b.step(&n, "producer of %s: the stream takes its message for a duplicate", requestNote(by), blank)
		return
	case !n.store(c, m):
		return
	}
	n.identityUsed = !c.Rules.Has(MsgIDIsNotIdentity)
	if again {
		b.fault(PublishedTwice, &n, "producer of %s: publishes again", requestNote(by), blank)
		return
	}
	b.step(&n, "producer of %s: publishes", requestNote(by), blank)
}

// retry tries the first request's run again: a new run of its identity, if that is free.
func (c *Config) retry(b *branches, by uint8) {
	before := b.from.request(1)
	if before.run == 0 || !b.from.run(before.run).terminal() {
		return
	}
	n := *b.from
	q := n.request(by)
	q.entry = accepted
	if c.conflictOfRetry(&n, by) != 0 {
		q.entry = excused // the error names the run that holds the identity
		b.step(&n, "operator: retries %s, and is refused", runNote(before.run), blank)
		return
	}
	c.insert(&n, by, by).input = own
	b.step(&n, "operator: retries %s as %s", runNote(before.run), runNote(by))
}

// conflictOfRetry is the index for a row that takes no place among what happens once.
func (c *Config) conflictOfRetry(s *state, by uint8) uint8 {
	active := *c
	active.Once = false
	return active.conflict(s, by, queued, false, 0)
}
