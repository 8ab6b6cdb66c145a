package model

// What the ledger's statements have in common: the indexes, taking a run, ending it, queueing it again.

// conflict returns the row that keeps another out of an identity's unique index, as the index sees it: it knows of
// rows whose transactions are open. Once rows keep their place for ever.
func (c *Config) conflict(s *state, by uint8, st status, followUp bool, except uint8) uint8 {
	if !c.Rules.Has(IdentityIsUnique) {
		return 0
	}
	for i := range s.runs {
		r, ref := &s.runs[i], uint8(i+1)
		switch {
		case ref == except || r.status == absent || c.identity(r.by) != c.identity(by):
		case r.active() && c.Rules.Has(SlotByFollowUp) && r.followUp == followUp:
			return ref
		case r.active() && !c.Rules.Has(SlotByFollowUp) && r.status == st:
			return ref
		case c.Once && c.Rules.Has(OnceIsForEver) && !followUp && !c.retried(r):
			return ref
		}
	}
	return 0
}

// identity is what a request is for.
func (c *Config) identity(by uint8) uint8 {
	if c.Apart {
		return by
	}
	return 0
}

// owner returns the active run that holds a request's identity, as a committed snapshot shows it.
func (c *Config) owner(s *state, by uint8) uint8 { return c.holder(s, by, false) }

// heir returns the follow-up that waits.
func (c *Config) heir(s *state, by uint8) uint8 { return c.holder(s, by, true) }

func (c *Config) holder(s *state, by uint8, followUp bool) uint8 {
	for i := range s.runs {
		if r := &s.runs[i]; r.active() && !r.hidden && r.followUp == followUp && c.identity(r.by) == c.identity(by) {
			return uint8(i + 1)
		}
	}
	return 0
}

// retried reports whether a run is an operator's retry, which takes no place among what happens once.
func (c *Config) retried(r *run) bool { return c.Requests[r.by-1] == Retry }

// insert makes a run for a request. Its slot is free, and so is its place in the index.
func (c *Config) insert(s *state, ref, by uint8) *run {
	r := s.run(ref)
	*r = run{status: queued, by: by}
	q := s.request(by)
	q.created++
	if q.created > 1 {
		s.blame(I5)
	}
	s.bind(by, ref, false)
	return r
}

// bind notes which run stands for a request. Loose is a join of a run that had begun.
func (s *state) bind(by, ref uint8, loose bool) {
	q := s.request(by)
	q.run, q.loose, q.stale = ref, loose, false
}

// take gives a run to a worker's attempt, or ends it when nothing is left to try: claim_new.sql and claim_known.sql.
func (c *Config) take(s *state, w *worker, ref uint8) {
	r := s.run(ref)
	c.abandon(s, r)
	switch {
	case r.cancel:
		c.end(s, ref, cancelled)
		r.counted++
		w.stage = acking
		return
	case r.attempt >= c.Attempts:
		c.end(s, ref, failed)
		r.counted++
		w.stage = acking
		return
	}
	if c.Rules.Has(CountedAtClaim) {
		r.attempt++
	}
	r.status, r.lease, r.token = running, live, s.newToken()
	w.stage, w.run, w.token, w.attempt = executing, ref, r.token, r.attempt
	w.lapsed, w.taken = false, false
	s.cover(ref)
}

// cover notes which requests a claim comes too early for: those that are not accepted yet. A claim later than a request
// covers it (I6).
func (s *state) cover(ref uint8) {
	for i := range s.requests {
		if q := &s.requests[i]; q.run == ref && !q.loose {
			q.stale = q.entry == open
		}
	}
}

// abandon records the attempt that a run is taken from.
func (c *Config) abandon(s *state, r *run) {
	if r.token == 0 {
		return
	}
	c.forfeit(s, r)
	for i := range s.workers {
		if w := &s.workers[i]; w.token == r.token {
			w.taken = true
		}
	}
}

// end brings a run to its end, and in the same transaction its follow-up to the front.
func (c *Config) end(s *state, ref uint8, as status) {
	r := s.run(ref)
	if r.terminal() {
		s.blame(I8)
	}
	wasFollowUp := r.followUp
	r.status, r.token, r.lease, r.due = as, 0, noLease, now
	r.cooling = c.Cooldown && as == succeeded
	for _, q := range s.requests {
		if as == succeeded && q.run == ref && q.stale && q.entry == accepted {
			s.blame(I6)
		}
	}
	if c.Rules.Has(PromotedAtEnd) && !wasFollowUp {
		c.promote(s, r.by)
	}
}

// promote is promote.sql: it passes over a follow-up that somebody has locked, and cannot see one whose transaction is
// open.
func (c *Config) promote(s *state, by uint8) {
	heir := c.heir(s, by)
	if heir == 0 || s.locked(heir) || c.conflict(s, by, queued, false, heir) != 0 {
		return
	}
	r := s.run(heir)
	r.followUp, r.due = false, now
	c.nextDispatch(s, heir)
}

// nextDispatch counts dispatch_no up: the stream has not seen the new Nats-Msg-Id.
func (c *Config) nextDispatch(s *state, ref uint8) {
	if s.relay.run == ref {
		s.relay.stale = true
	}
	if c.Rules.Has(NewDispatchNo) {
		s.run(ref).idUsed = false
	}
}

// requeue puts a running run back into the queue. It reports whether the index lets it.
func (c *Config) requeue(s *state, ref uint8, when due) bool {
	r := s.run(ref)
	if c.conflict(s, r.by, queued, r.followUp, ref) != 0 {
		return false
	}
	if r.terminal() {
		s.blame(I8)
	}
	r.status, r.token, r.lease, r.due = queued, 0, noLease, when
	c.nextDispatch(s, ref)
	return true
}
