package model

// The stream and its consumer: deliver, redeliver, lose, replay.

// giveUpAfter is MaxDeliver where UnlimitedDeliveries is dropped.
const giveUpAfter = 2

// store puts a message into the stream. It reports false when the model has no room.
func (s *state) store(c *Config, m message) bool {
	for i := range s.messages {
		if s.messages[i].place != gone {
			continue
		}
		if c.sequences() {
			s.lastSeq++
			m.seq = s.lastSeq
		}
		m.place = ready
		s.messages[i] = m
		return true
	}
	return false
}

// remove takes a message out of the stream. Who has it in hand goes on without it.
func (s *state) remove(ref uint8) {
	s.messages[ref-1] = message{}
	for k := range s.workers {
		if s.workers[k].message == ref {
			s.workers[k].message = 0
		}
	}
}

// ack acknowledges what a worker has in hand. Limits retention keeps a producer's message.
func (s *state) ack(c *Config, w *worker) {
	if !w.named {
		s.request(w.key).acked = true
	}
	if w.message == 0 {
		return
	}
	m := &s.messages[w.message-1]
	if c.keeps() && !m.named {
		m.place, m.tries = kept, 0
		return
	}
	s.remove(w.message)
}

// keeps reports whether acknowledged messages stay: a run that one of them made may yet need its payload.
func (c *Config) keeps() bool { return c.Rules.Has(LimitsRetention) }

func (c *Config) streamSteps(b *branches) {
	for i := range b.from.messages {
		ref := uint8(i + 1)
		switch m := b.from.messages[i]; m.place {
		case ready:
			c.deliver(b, ref)
			b.lose(ref)
		case out:
			b.redeliver(ref)
			b.lose(ref)
		case kept:
			b.replay(ref)
		case gone:
		}
	}
	c.makeAnew(b)
}

func (c *Config) deliver(b *branches, ref uint8) {
	m := b.from.messages[ref-1]
	if !c.Rules.Has(UnlimitedDeliveries) && m.tries >= giveUpAfter {
		return
	}
	for k := range c.slots() {
		if b.from.workers[k].stage != idle {
			continue
		}
		n := *b.from
		n.messages[ref-1].place = out
		if !c.Rules.Has(UnlimitedDeliveries) {
			n.messages[ref-1].tries++
		}
		n.workers[k] = worker{stage: delivered, message: ref, named: m.named, key: m.key, nth: m.nth, seq: m.seq, late: n.joined(&m)}
		if !c.Rules.Has(AckAfterCommit) {
			n.ack(c, &n.workers[k])
			n.workers[k].message = 0
		}
		b.step(&n, "stream: delivers %s", m.subject(), blank)
		return // idle workers are alike
	}
}

// joined reports whether a producer's message comes after its request was found to be served by another's run.
func (s *state) joined(m *message) bool {
	if m.named {
		return false
	}
	q := s.request(m.key)
	return q.run != 0 && s.run(q.run).by != m.key
}

func (s *state) inHand(ref uint8) bool {
	for i := range s.workers {
		if s.workers[i].message == ref {
			return true
		}
	}
	return false
}

// redeliver is the end of AckWait.
func (b *branches) redeliver(ref uint8) {
	n := *b.from
	n.messages[ref-1].place = ready
	if b.from.inHand(ref) {
		b.fault(Redelivered, &n, "stream: redelivers %s, which is in hand", n.messages[ref-1].subject(), blank)
		return
	}
	b.step(&n, "stream: AckWait of %s is over", n.messages[ref-1].subject(), blank)
}

func (b *branches) lose(ref uint8) {
	if b.from.faults[MessageLost] == 0 {
		return
	}
	n := *b.from
	n.remove(ref)
	n.excuse(b.from.messages[ref-1])
	b.fault(MessageLost, &n, "stream: LOSES %s", b.from.messages[ref-1].subject(), blank)
}

// excuse forgives the loss of a message-first request that no claim has seen: until then it is as durable as the stream.
// Of one that was published twice both must be lost.
func (s *state) excuse(m message) {
	if m.place == gone || m.place == kept || m.named || s.asked(m.key) {
		return
	}
	if q := s.request(m.key); q.entry == accepted && q.run == 0 {
		q.entry = excused
	}
}

func (c *Config) makeAnew(b *branches) {
	if b.from.faults[StreamMadeAnew] == 0 {
		return
	}
	n := *b.from
	for ref := uint8(1); ref <= maxMessages; ref++ {
		n.remove(ref)
		n.excuse(b.from.messages[ref-1])
	}
	for i := range n.runs {
		n.runs[i].idUsed = false
	}
	n.lastSeq, n.identityUsed = 0, false
	b.fault(StreamMadeAnew, &n, "stream: DELETED AND MADE ANEW")
}

// replay brings an acknowledged message back, as the same occurrence: one at a time by a fault, and without end after a
// failover.
func (b *branches) replay(ref uint8) {
	n := *b.from
	n.messages[ref-1].place = ready
	if n.replay {
		b.step(&n, "stream: replay of %s after the failover", n.messages[ref-1].subject(), blank)
		return
	}
	b.fault(Replayed, &n, "stream: %s is replayed", n.messages[ref-1].subject(), blank)
}
