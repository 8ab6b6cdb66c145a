package jobs

import (
	"context"
	"sync"
	"time"
)

// slots counts how many more messages the process may take in hand. A message holds its slot from the pull that
// asks for it until its handler has returned, so that nothing waits in a buffer while its AckWait runs.
type slots struct {
	mu    sync.Mutex
	free  int
	asked int // taken for messages that have been asked for and have not come
	total int
	freed chan struct{} // capacity 1; a token says that free has grown
}

func newSlots(n int) *slots {
	return &slots{free: n, total: n, freed: make(chan struct{}, 1)}
}

// take returns between 1 and most slots, as many as are free, or 0 when the context ends. While few are free it
// lingers a moment: under load they come back one by one, and a pull for each would cost more than the jobs.
func (s *slots) take(ctx context.Context, most int) int {
	const linger = time.Millisecond
	timer := time.NewTimer(linger)
	defer timer.Stop()
	enough := min(most, max(1, s.total/4))
	for {
		if n := s.tryTake(enough, most); n > 0 {
			return n
		}
		select {
		case <-ctx.Done():
			return 0
		case <-s.freed:
		case <-timer.C:
			enough = 1
		}
	}
}

func (s *slots) tryTake(enough, most int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.free < enough {
		return 0
	}
	n := min(s.free, most)
	s.free -= n
	s.asked += n
	if s.free > 0 {
		s.wake() // another puller may wait
	}
	return n
}

// use says that a message has come for a slot that was taken.
func (s *slots) use() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked--
}

// giveUnused returns slots for which no message has come.
func (s *slots) giveUnused(n int) {
	s.mu.Lock()
	s.asked -= n
	s.mu.Unlock()
	s.give(n)
}

// give returns the slots of messages that are done with.
func (s *slots) give(n int) {
	s.mu.Lock()
	s.free += n
	s.mu.Unlock()
	s.wake()
}

// available returns for how many messages there is a slot now: an idle worker has asked for as many as it may.
func (s *slots) available() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.free + s.asked
}

func (s *slots) wake() {
	select {
	case s.freed <- struct{}{}:
	default:
	}
}
