package torture

import (
	"context"
	"fmt"
	"time"
)

// rest is how the system came to rest.
type rest struct {
	active  int    // runs that have not ended
	pending uint64 // messages that wait or are not acknowledged
	err     error  // of the last look
}

func (r rest) done() bool { return r == rest{} }

// drain waits until every run has ended and every message is acknowledged, or nothing moves any more.
func (s *stage) drain(ctx context.Context, config Config) rest {
	best, since := rest{active: -1}, time.Now()
	for {
		now := s.look(ctx)
		better := now.err == nil && (best.active < 0 || now.active < best.active || now.pending < best.pending)
		if better {
			best, since = now, time.Now()
		}
		config.Progress(fmt.Sprintf("faults are over: %d runs active, %d messages pending", now.active, now.pending))
		if now.done() || time.Since(since) > config.patience || !wait(ctx, 200*time.Millisecond) {
			return now
		}
	}
}

func (s *stage) look(ctx context.Context) (r rest) {
	for _, w := range s.worlds {
		active, err := w.active(ctx)
		if err != nil {
			return rest{err: err}
		}
		pending, err := w.pending(ctx, s.js)
		if err != nil {
			return rest{err: err}
		}
		r.active, r.pending = r.active+active, r.pending+pending
	}
	return r
}
