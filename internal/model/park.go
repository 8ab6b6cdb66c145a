package model

// Suspended tenants: suspend.sql, park.sql and unpark.sql.

// seeSuspended begins park.sql, which looks at the tenant again, and locks its row until it commits.
func (c *Config) seeSuspended(s *state, w *worker) {
	w.stage = parking
	if c.Rules.Has(ParkLocksTenant) && !s.suspended {
		w.stage = delivered // active again: the claim begins anew
	}
}

// park ends park.sql: the run is queued with its input, and due when the tenant resumes. A delivery whose body is not the
// run's own is claimed anew.
func (c *Config) park(s *state, w *worker) {
	ref := c.names(s, w)
	r := s.run(ref)
	switch {
	case r.status == queued && !r.followUp && !s.locked(ref) && (c.hasBody(w, r) || !w.named && !c.Rules.Has(ParkKeepsOwnBody)):
		c.shelve(s, w, ref)
		w.stage = acking
	case r.status == absent && !w.named && c.conflict(s, w.key, queued, false, 0) == 0:
		r = c.insertFor(s, w, ref)
		r.due, r.input = never, own
		w.stage = acking
	default:
		w.stage = delivered
	}
}

// shelve parks a queued run: with what it needs, and with a number that what a relay still records of it does not have.
func (c *Config) shelve(s *state, w *worker, ref uint8) {
	r := s.run(ref)
	switch {
	case r.input != none:
	case w.isOrigin(r):
		r.input = own
	default:
		r.input = foreign
	}
	r.due = never
	if c.Rules.Has(ParkRaisesDispatchNo) {
		c.nextDispatch(s, ref)
	}
}

// checkParked is that nothing but its tenant's resumption makes a parked run due. A failover goes back in time.
func (c *Config) checkParked(from, next *state) {
	if !from.suspended || !next.suspended || from.faults[Failover] != next.faults[Failover] {
		return
	}
	for i := range from.runs {
		before, after := &from.runs[i], &next.runs[i]
		if before.status == queued && before.due == never && after.status == queued && after.due != never {
			next.blame(StaysParked)
		}
	}
}

func (c *Config) tenantSteps(b *branches) {
	s := b.from
	if s.faults[Suspended] > 0 && !s.suspended && !s.resuming {
		n := *s
		n.suspended = true
		b.fault(Suspended, &n, "operator: suspends the tenant")
	}
	if s.suspended && !c.tenantLocked(s) {
		n := *s
		n.suspended = false
		if c.Rules.Has(ResumeIsOneTransaction) {
			n.unpark()
		} else {
			n.resuming = true
		}
		b.step(&n, "operator: resumes the tenant")
	}
	if s.resuming {
		n := *s
		n.unpark()
		n.resuming = false
		b.step(&n, "operator: makes its parked runs due")
		n = *s
		n.resuming = false
		b.fault(Crash, &n, "operator: dies before the parked runs are due")
	}
}

// unpark is unpark.sql: behind suspend.sql in its transaction, it sees every run that was parked before.
func (s *state) unpark() {
	for i := range s.runs {
		if r := &s.runs[i]; r.status == queued && r.due == never {
			r.due = now
		}
	}
}

// tenantLocked reports whether a statement that parks runs holds the tenant's row.
func (c *Config) tenantLocked(s *state) bool {
	for i := range s.workers {
		if s.workers[i].stage == parking && c.Rules.Has(ParkLocksTenant) {
			return true
		}
	}
	return false
}
