package model

// Retention: terminal runs grow old, the floor of what the ledger keeps is published (advance_horizon.sql), and what lies
// below a floor that was published a while ago is deleted
// (delete_expired_runs.sql, delete_expired_deliveries.sql).

func (c *Config) retentionSteps(b *branches) {
	if !c.Retention {
		return
	}
	for i := range c.Requests {
		by := uint8(i + 1)
		q := b.from.request(by)
		switch {
		case q.run == 0 || !b.from.over(q):
		case q.age == young && c.Rules.Has(HorizonFirst):
			n := *b.from
			n.request(by).age = old
			b.step(&n, "retention: the floor passes %s", requestNote(by), blank)
		case q.age == young:
			c.wipe(b, by, early)
		case q.age == early:
			n := *b.from
			n.request(by).age = wiped
			b.step(&n, "retention: the floor passes %s, which is deleted", requestNote(by), blank)
		case q.age == old && c.settled(b.from, by):
			c.wipe(b, by, wiped)
		}
	}
}

// over reports whether the run that stands for a request has ended, or is deleted.
func (s *state) over(q *request) bool {
	r := s.run(q.run)
	return r.terminal() || r.status == absent
}

// settled is the minute between the floor's publication and the deletion: every claim whose snapshot is from before has
// ended.
func (c *Config) settled(s *state, by uint8) bool {
	for i := range s.workers {
		w := &s.workers[i]
		if !w.named && w.key == by && (w.stage == inserting || w.stage == judging || w.stage == waiting || w.stage == parking) && !w.below && !c.Undated {
			return false
		}
	}
	return true
}

// wipe deletes what the ledger knows of an occurrence: its run, when nobody younger joined it, and its delivery.
func (c *Config) wipe(b *branches, by uint8, as age) {
	if c.Undated && c.Rules.Has(UndatedKept) {
		return
	}
	n := *b.from
	q := n.request(by)
	if r := n.run(q.run); r.by == by {
		*r = run{}
	}
	q.age, q.recorded = as, false
	b.step(&n, "retention: deletes what is known of %s", requestNote(by), blank)
}
