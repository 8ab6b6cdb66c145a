package model

// The relay: due.sql, keep_input.sql, end_run.sql (message_lost), published.sql and postpone.sql.

func (c *Config) relaySteps(b *branches) {
	switch {
	case b.from.relay.lost:
		c.endLost(b)
		return
	case b.from.relay.run != 0:
		c.markPublished(b)
		return
	}
	for i := range b.from.runs {
		ref := uint8(i + 1)
		switch r := b.from.run(ref); {
		case r.status != queued || r.hidden || r.followUp:
		case r.due == now && r.input == none:
			c.recoverInput(b, ref)
		case r.due == now:
			c.relayPublishes(b, ref)
		case r.due == backoff:
			n := *b.from
			n.run(ref).due = now
			b.step(&n, "time: the backoff of %s is over", runNote(ref), blank)
		case r.due == published && c.Rules.Has(SecondLook):
			c.lookAgain(b, ref)
		}
	}
}

// lookAgain is the end of a published run's wait. To put the next look off changes nothing, but for what a park does
// meanwhile: so only configurations with suspensions tell it.
func (c *Config) lookAgain(b *branches, ref uint8) {
	n := *b.from
	switch {
	case !b.from.coming(ref):
		n.run(ref).due = now
		b.step(&n, "relay: looks at %s again, which nobody has claimed", runNote(ref), blank)
	case c.Faults[Suspended] > 0:
		n.relay = relay{run: ref, waits: true}
		b.step(&n, "relay: finds the last message of %s waiting in the stream", runNote(ref), blank)
	}
}

// coming reports whether the stream has a message of a run that it has yet to deliver: then the look is put off.
func (s *state) coming(ref uint8) bool {
	for _, m := range s.messages {
		if m.named && m.key == ref && (m.place == ready || m.place == out) {
			return true
		}
	}
	return false
}

// relayPublishes sends a due run under run/<id>/<dispatch_no>. The stream keeps one message of that name.
func (c *Config) relayPublishes(b *branches, ref uint8) {
	n := *b.from
	if n.run(ref).idUsed {
		n.relay = relay{run: ref}
		b.step(&n, "relay: publishes %s, a duplicate to the stream", runNote(ref), blank)
		return
	}
	if !n.store(c, message{named: true, key: ref}) {
		return
	}
	n.run(ref).idUsed = true
	n.relay = relay{run: ref}
	b.step(&n, "relay: publishes %s", runNote(ref), blank)
}

// markPublished is published.sql, or postpone.sql where the run's last message still waits: only while dispatch_no is
// what was read.
func (c *Config) markPublished(b *branches) {
	n := *b.from
	ref := n.relay.run
	if r := n.run(ref); r.status == queued && !n.relay.stale && !n.locked(ref) {
		r.due = published
		if !n.relay.waits {
			c.nextDispatch(&n, ref)
		}
	}
	n.relay = relay{}
	b.step(&n, "relay: records that %s is in the stream", runNote(ref), blank)
	n = *b.from
	n.relay = relay{}
	b.fault(RelayDies, &n, "relay: dies before it records that %s is in the stream", runNote(ref), blank)
}

// recoverInput reads a message-first run's payload back from its place in the stream. Only what gives this very run's
// id is its own; only when the place is empty or another's is the message lost.
func (c *Config) recoverInput(b *branches, ref uint8) {
	n := *b.from
	r := n.run(ref)
	m := n.inPlaceOf(r)
	switch {
	case m != nil && m.made(r):
		r.input = own
		b.step(&n, "relay: reads the payload of %s back", runNote(ref), blank)
	case m != nil && (!c.Rules.Has(RecoveryChecksOccurrence) || !c.Rules.Has(RecoveryChecksPlace) && !m.named && m.key == r.by):
		r.input = foreign
		b.step(&n, "relay: takes what stands in the place of %s for its payload", runNote(ref), blank)
	case r.spare:
		r.input, r.spare = own, false
		b.step(&n, "relay: takes the input that a caller left with %s", runNote(ref), blank)
	default:
		n.relay = relay{run: ref, lost: true}
		b.step(&n, "relay: finds that the message of %s is gone", runNote(ref), blank)
	}
	if m != nil && !c.Rules.Has(LostOnlyWhenGone) {
		n := *b.from
		c.lose(&n, ref)
		b.step(&n, "relay: the stream does not answer for %s: message_lost", runNote(ref), blank)
	}
}

// endLost is end_run.sql: only while the run is as the relay saw it.
func (c *Config) endLost(b *branches) {
	n := *b.from
	ref := n.relay.run
	r := n.run(ref)
	asSeen := r.active() && (r.status == queued || r.lease == ended) && !n.relay.stale && r.input == none && !r.spare && !n.locked(ref)
	if asSeen || r.active() && !c.Rules.Has(LostRechecks) {
		c.abandon(&n, r)
		c.lose(&n, ref)
	}
	n.relay = relay{}
	if asSeen && n.asked(r.by) {
		b.step(&n, "relay: ends %s as message_lost, though a later message of its request is in the stream", runNote(ref), blank)
		return
	}
	b.step(&n, "relay: ends %s as message_lost, if it still is as it was", runNote(ref), blank)
}

// inPlaceOf returns what stands in the place that a run came from.
func (s *state) inPlaceOf(r *run) *message {
	for i := range s.messages {
		m := &s.messages[i]
		if m.place != gone && (r.seq != 0 && m.seq == r.seq || r.seq == 0 && m.made(r)) {
			return m
		}
	}
	return nil
}

// made reports whether a run came from a message.
func (m message) made(r *run) bool { return !m.named && m.key == r.by && m.nth == r.nth }

// asked reports whether the stream has yet to deliver a message of a request.
func (s *state) asked(by uint8) bool {
	for _, m := range s.messages {
		if (m.place == ready || m.place == out) && !m.named && m.key == by {
			return true
		}
	}
	return false
}

// lose ends a run as run.message_lost. That is an end (I4), but never of what the stream still has, nor of what was
// acknowledged because the ledger was said to have it (I10), nor of what was asked for in the ledger before it began.
func (c *Config) lose(s *state, ref uint8) {
	r := s.run(ref)
	if r.lease == live {
		s.blame(I9)
	}
	if m := s.inPlaceOf(r); m != nil && m.made(r) {
		s.blame(I4)
	}
	for i, entry := range c.Requests {
		if q := &s.requests[i]; entry == LedgerFirst && q.entry == accepted && q.run == ref && !q.loose {
			s.blame(I4)
		}
	}
	if s.request(r.by).acked && c.Faults[Failover] == 0 {
		s.blame(I10)
	}
	c.end(s, ref, failed)
	r.counted++
	r.lost = true
}
