package model

// The claim: claim_new.sql, then claim_known.sql under a snapshot of its own, then wait.sql or park.sql.
// A configuration without Statements takes the first two as one step.

// claimSteps are what a worker with a delivery can do next.
func (c *Config) claimSteps(b *branches, k int) {
	w := &b.from.workers[k]
	switch w.stage {
	case delivered:
		c.deliveredStep(b, k)
	case inserting:
		n := *b.from
		if !c.claimNew(&n, &n.workers[k]) {
			n.workers[k].stage = missed
		}
		b.step(&n, "worker: claim_new of %s: now %s", w.subject(), n.workers[k].fate())
	case missed:
		n := *b.from
		c.look(&n, &n.workers[k])
		n.workers[k].stage = judging
		b.step(&n, "worker: claim_known of %s takes its snapshot", w.subject(), blank)
	case judging:
		n := *b.from
		c.claimKnown(&n, &n.workers[k])
		b.step(&n, "worker: claim_known of %s: now %s", w.subject(), n.workers[k].fate())
	case waiting:
		n := *b.from
		c.wait(&n, &n.workers[k])
		b.step(&n, "worker: wait of %s: now %s", w.subject(), n.workers[k].fate())
	case parking:
		n := *b.from
		c.park(&n, &n.workers[k])
		b.step(&n, "worker: park of %s commits: now %s", w.subject(), n.workers[k].fate())
	default: // it is past its claim
	}
}

func (c *Config) deliveredStep(b *branches, k int) {
	n := *b.from
	w := &n.workers[k]
	before := w.subject()
	c.look(&n, w)
	switch {
	case c.Statements && w.named:
		w.stage = judging
		b.step(&n, "worker: claim_known of %s takes its snapshot", before, blank)
	case c.Statements:
		w.stage = inserting
		b.step(&n, "worker: claim_new of %s takes its snapshot", before, blank)
	default:
		if w.named || !c.claimNew(&n, w) {
			c.claimKnown(&n, w)
		}
		b.step(&n, "worker: claim of %s: now %s", before, w.fate())
	}
}

// look takes a statement's snapshot, as far as later commits may contradict it. The rows of runs are locked and read
// anew, and the indexes know better than any snapshot.
func (c *Config) look(s *state, w *worker) {
	w.active = !s.suspended
	if ref := c.names(s, w); !c.Rules.Has(ClaimRechecks) && ref != 0 && s.run(ref).status != absent {
		w.sure = c.takeable(s, w, ref)
	}
	if w.named {
		return
	}
	q := s.request(w.key)
	w.below = c.Rules.Has(HorizonRefuses) && c.belowFloor(q)
	w.seen = q.recorded
}

// belowFloor reports whether the published floor is above the id that a request derives.
func (c *Config) belowFloor(q *request) bool {
	if c.Undated {
		return !c.Rules.Has(UndatedNotJudged)
	}
	return q.age == old || q.age == wiped
}

// occurrence returns the run id that a delivery derives, or zero when there is no room for another.
func (c *Config) occurrence(s *state, w *worker) uint8 {
	switch {
	case !c.Rules.Has(OccurrenceIsNotIdentity):
		return 1
	case !c.Rules.Has(OccurrenceIsNotSequence):
		return w.seq
	case !c.Rules.Has(OccurrenceDecides):
		for i := range s.runs {
			if s.runs[i].status == absent {
				return uint8(i + 1)
			}
		}
		return 0
	default:
		return w.key
	}
}

// names returns the run that a delivery is about: the one it names, or derives.
func (c *Config) names(s *state, w *worker) uint8 {
	ref := w.key
	if !w.named {
		ref = c.occurrence(s, w)
	}
	if ref > maxRuns {
		return 0
	}
	return ref
}

// claimNew is claim_new.sql: it reports whether the delivery's run was made, and runs.
func (c *Config) claimNew(s *state, w *worker) bool {
	ref := c.names(s, w)
	if ref == 0 || !w.active || w.below || w.seen || c.cooling(s) != 0 {
		return false
	}
	if s.run(ref).status != absent || c.conflict(s, w.key, running, false, 0) != 0 {
		return false
	}
	c.insertFor(s, w, ref)
	c.take(s, w, ref)
	return true
}

// insertFor makes the run of a delivery. One that came after its request had joined another run is late: it was served.
func (c *Config) insertFor(s *state, w *worker, ref uint8) *run {
	if w.late {
		s.blame(I5)
	}
	r := c.insert(s, ref, w.key)
	r.seq, r.nth = w.seq, w.nth
	return r
}

// cooling returns the run whose success keeps a new one away.
func (c *Config) cooling(s *state) uint8 {
	for i := range s.runs {
		if s.runs[i].cooling {
			return uint8(i + 1)
		}
	}
	return 0
}

// claimKnown is claim_known.sql.
func (c *Config) claimKnown(s *state, w *worker) {
	ref := c.names(s, w)
	switch {
	case ref != 0 && s.run(ref).status != absent && !s.run(ref).hidden:
		c.claimOwn(s, w, ref)
	case w.named: // unknown_run: it grows old, and is a dead letter after an hour
		w.stage = acking
	default:
		c.claimStanding(s, w)
	}
}

// claimOwn judges a delivery whose own run exists.
func (c *Config) claimOwn(s *state, w *worker, ref uint8) {
	r := s.run(ref)
	switch {
	case c.takeable(s, w, ref) || w.sure:
		if r.input == foreign || r.input == none && !w.isOrigin(r) {
			s.blame(OwnInput)
		}
		c.take(s, w, ref)
	case r.terminal(), r.followUp: // completed, follow_up
		w.stage = acking
	case !c.hasBody(w, r): // busy, until its own message comes, or the relay reads its input back
		w.stage = naking
	case r.status == queued && r.due == backoff: // not_due
		w.stage = acking
	case r.status == queued && !w.active && !s.locked(ref):
		c.seeSuspended(s, w)
	default: // busy, or again
		w.stage = naking
	}
}

// takeable reports whether a claim may take a run: due, nobody's live lease on it, and no lock.
func (c *Config) takeable(s *state, w *worker, ref uint8) bool {
	r := s.run(ref)
	free := r.status == queued || r.lease == ended || r.status == running && !c.Rules.Has(LeaseChecked)
	locked := s.locked(ref) && (c.Rules.Has(JoinLocks) || r.landing)
	waits := r.followUp && c.Rules.Has(FollowUpWaits)
	parked := r.due == never && c.Rules.Has(ParkedIsNotTaken)
	return r.active() && free && !waits && !parked && !locked && r.due != backoff && w.active && c.hasBody(w, r)
}

// hasBody reports whether a run can be taken from a delivery: with the row's input, whatever brings it, or with the body
// of the run's own message. No other body on the wire is its own, not even that of the same request.
func (c *Config) hasBody(w *worker, r *run) bool {
	return r.input != none || !w.named && (w.isOrigin(r) || !c.Rules.Has(OwnBody))
}

// isOrigin reports whether a delivery is of the message that made a run: it stands in the same place.
func (w *worker) isOrigin(r *run) bool { return !w.named && w.key == r.by && w.nth == r.nth }

// claimStanding judges a delivery without a run of its own, by what stands in its way.
func (c *Config) claimStanding(s *state, w *worker) {
	owner := c.owner(s, w.key)
	switch {
	case w.seen:
		w.stage = acking
	case w.below: // older_than_retention: a dead letter
		if s.request(w.key).run == 0 {
			s.blame(I4)
		}
		w.stage = acking
	case owner != 0:
		c.joinOwner(s, w, owner)
	case c.Once && c.Rules.Has(OnceIsForEver) && s.ever(c) != 0:
		s.join(c, w, s.ever(c), true)
	case c.cooling(s) != 0:
		s.join(c, w, c.cooling(s), true)
	case !w.active:
		c.seeSuspended(s, w)
	default:
		w.stage = naking
	}
}

func (c *Config) joinOwner(s *state, w *worker, owner uint8) {
	begun := s.run(owner).status == running
	switch heir := c.heir(s, w.key); {
	case !begun || !c.FollowUp:
		s.join(c, w, owner, begun)
	case !c.Rules.Has(FollowUpOfRunning):
		s.join(c, w, owner, false)
		s.request(w.key).stale = true
	case heir != 0:
		s.join(c, w, heir, false)
	default:
		w.stage = waiting
	}
}

// join records that a run stands for a delivery.
func (s *state) join(c *Config, w *worker, ref uint8, begun bool) {
	if q := s.request(w.key); q.run == 0 || s.run(q.run).by != w.key {
		s.bind(w.key, ref, begun)
	}
	s.request(w.key).recorded = c.Rules.Has(DeliveriesRecorded)
	w.stage = acking
}

// ever returns the run of an identity that happens once.
func (s *state) ever(c *Config) uint8 {
	for i := range s.runs {
		if r := &s.runs[i]; r.status != absent && !r.hidden && !c.retried(r) {
			return uint8(i + 1)
		}
	}
	return 0
}

// wait is wait.sql: the delivery becomes the follow-up, unless another is quicker.
func (c *Config) wait(s *state, w *worker) {
	ref := c.names(s, w)
	if ref == 0 || s.run(ref).status != absent || c.conflict(s, w.key, queued, true, 0) != 0 {
		w.stage = delivered
		return
	}
	r := c.insertFor(s, w, ref)
	r.followUp, r.input = true, own
	w.stage = acking
}
