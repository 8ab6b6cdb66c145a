package jobs

import (
	"sync"
	"time"
)

// hands are the messages that this process has taken and not yet acknowledged or left, for the heartbeat alone: it
// decides nothing. A message is in hand from its arrival, its attempt from the claim.
type hands struct {
	mu   sync.Mutex
	held map[*delivery]*attempt
}

func newHands() *hands { return &hands{held: make(map[*delivery]*attempt)} }

func (h *hands) arrived(d *delivery) {
	h.mu.Lock()
	h.held[d] = nil
	h.mu.Unlock()
}

func (h *hands) claimed(a *attempt) {
	h.mu.Lock()
	h.held[a.delivery] = a
	h.mu.Unlock()
}

func (h *hands) remove(d *delivery) {
	h.mu.Lock()
	delete(h.held, d)
	h.mu.Unlock()
}

// olderThan returns what has been in hand for at least this long: messages that are not claimed, and attempts.
func (h *hands) olderThan(age time.Duration) (unclaimed []*delivery, attempts []*attempt) {
	before := time.Now().Add(-age)
	h.mu.Lock()
	defer h.mu.Unlock()
	for d, a := range h.held {
		switch {
		case d.arrived.After(before):
		case a == nil:
			unclaimed = append(unclaimed, d)
		default:
			attempts = append(attempts, a)
		}
	}
	return unclaimed, attempts
}

// attempts returns every claimed attempt.
func (h *hands) attempts() []*attempt {
	_, all := h.olderThan(0)
	return all
}
