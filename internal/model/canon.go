package model

import "cmp"

// deadToken is the token of an attempt that owns nothing any more: all of these are alike.
const deadToken = 255

// canonical makes states that differ only in names the same: tokens, the places of messages, and which worker is
// which. What can no longer matter is cleared.
func (c *Config) canonical(s *state) {
	c.clear(s)
	s.sortMessages()
	s.renameTokens()
	c.sortWorkers(s)
}

func (c *Config) sortWorkers(s *state) {
	for i := 1; i < c.slots(); i++ {
		for j := i; j > 0 && c.compareWorkers(&s.workers[j-1], &s.workers[j]) > 0; j-- {
			s.workers[j-1], s.workers[j] = s.workers[j], s.workers[j-1]
		}
	}
}

func (c *Config) clear(s *state) {
	for i := range s.runs {
		if r := &s.runs[i]; r.terminal() {
			r.due, r.lease, r.idUsed, r.cancel, r.followUp, r.hurt, r.seq, r.nth = now, noLease, false, false, false, false, 0, 0
			if !s.askedAbout(uint8(i + 1)) {
				r.attempt = 0
			}
		}
	}
	if s.faults[Failover] == 0 {
		s.standby = ledger{}
	}
	if !c.sequences() {
		s.lastSeq = 0
	}
	for i := range s.workers {
		if w := &s.workers[i]; !s.tokenLives(w.token) && w.token != 0 {
			w.token = deadToken
		}
	}
}

// askedAbout reports whether an attempt at a run may still ask how it ended, and so needs its attempt number.
func (s *state) askedAbout(ref uint8) bool {
	for i := range s.workers {
		if w := &s.workers[i]; w.run == ref && (w.stage == asking || w.atRun()) {
			return true
		}
	}
	return false
}

func (s *state) tokenLives(token uint8) bool {
	for i := range s.runs {
		if s.runs[i].token == token || s.standby.runs[i].token == token {
			return true
		}
	}
	return false
}

// sortMessages sorts by insertion: the slots are few, and mostly sorted.
func (s *state) sortMessages() {
	for i := 1; i < maxMessages; i++ {
		for j := i; j > 0 && compareMessages(&s.messages[j-1], &s.messages[j]) < 0; j-- {
			s.messages[j-1], s.messages[j] = s.messages[j], s.messages[j-1]
			for k := range s.workers {
				switch w := &s.workers[k]; w.message {
				case uint8(j):
					w.message = uint8(j + 1)
				case uint8(j + 1):
					w.message = uint8(j)
				}
			}
		}
	}
}

func compareMessages(a, b *message) int {
	return cmp.Or(cmp.Compare(a.place, b.place), compareBools(a.named, b.named), cmp.Compare(a.key, b.key),
		cmp.Compare(a.nth, b.nth), cmp.Compare(a.seq, b.seq), cmp.Compare(a.tries, b.tries))
}

func compareBools(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	default:
		return -1
	}
}

func (c *Config) compareWorkers(a, b *worker) int {
	return cmp.Or(cmp.Compare(a.stage, b.stage), cmp.Compare(a.message, b.message), cmp.Compare(a.run, b.run),
		cmp.Compare(a.token, b.token), cmp.Compare(a.key, b.key), compareBools(a.lapsed, b.lapsed), compareBools(a.taken, b.taken),
		compareBools(a.late, b.late), compareBools(a.named, b.named), compareBools(a.active, b.active), compareBools(a.below, b.below),
		compareBools(a.seen, b.seen), compareBools(a.sure, b.sure), cmp.Compare(a.attempt, b.attempt), cmp.Compare(a.seq, b.seq),
		cmp.Compare(a.nth, b.nth), compareBools(a.bad, b.bad))
}

// renameTokens numbers tokens in the order of the rows that carry them.
func (s *state) renameTokens() {
	var names [256]uint8
	names[deadToken] = deadToken
	next := uint8(0)
	rename := func(token *uint8) {
		if *token == 0 {
			return
		}
		if names[*token] == 0 {
			next++
			names[*token] = next
		}
		*token = names[*token]
	}
	for i := range s.runs {
		rename(&s.runs[i].token)
	}
	for i := range s.standby.runs {
		rename(&s.standby.runs[i].token)
	}
	for i := range s.workers {
		rename(&s.workers[i].token)
	}
}

// newToken returns a token that nobody has.
func (s *state) newToken() uint8 {
	token := uint8(1)
	for s.tokenLives(token) {
		token++
	}
	return token
}
