package oprun

import (
	"slices"
	"sync"

	"github.com/google/uuid"
)

// messages are what the broker holds: each may be delivered again, in any order.
type messages struct {
	mu     sync.Mutex
	ready  []Delivery
	held   int // taken, and not yet acknowledged or put back
	stream map[uuid.UUID]bool
	ids    map[string]bool // every Nats-Msg-Id that was ever seen
}

// swallows reports whether the broker has seen this id, and remembers it: it does so even when it then loses the
// message.
func (m *messages) swallows(msgID string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ids == nil {
		m.ids = make(map[string]bool)
	}
	seen := m.ids[msgID]
	m.ids[msgID] = true
	return seen
}

// put makes messages ready to be delivered, for the first time or once more.
func (m *messages) put(list ...Delivery) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.stream == nil {
		m.stream = make(map[uuid.UUID]bool)
	}
	for _, d := range list {
		m.stream[d.RunID] = true
	}
	m.ready = append(m.ready, list...)
}

// take returns some messages, not in order.
func (m *messages) take(n int, shuffle func([]Delivery)) []Delivery {
	m.mu.Lock()
	defer m.mu.Unlock()
	shuffle(m.ready)
	n = min(n, len(m.ready))
	taken := slices.Clone(m.ready[:n])
	m.ready = slices.Delete(m.ready, 0, n)
	m.held += n
	return taken
}

// done acknowledges messages that were taken; those to be delivered again go back.
func (m *messages) done(n int, back ...Delivery) {
	m.put(back...)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.held -= n
}

func (m *messages) waiting() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.ready) + m.held
}

func (m *messages) accepted() map[uuid.UUID]bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.stream
}
