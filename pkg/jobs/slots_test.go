package jobs

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

func TestSlots(t *testing.T) {
	t.Parallel()

	t.Run("are given out as far as they are free", func(t *testing.T) {
		t.Parallel()
		s := newSlots(10)
		if got := []int{s.take(t.Context(), 4), s.take(t.Context(), 100)}; !cmp.Equal(got, []int{4, 6}) {
			t.Errorf("took %v, want 4 and the other 6", got)
		}
		s.use()
		if n := s.available(); n != 9 {
			t.Errorf("%d slots are available, want all but that of the one message that has come", n)
		}
		s.giveUnused(9)
		s.give(1)
		if n := s.available(); n != 10 {
			t.Errorf("%d slots are available in the end, want all 10", n)
		}
	})

	t.Run("are waited for a moment, to take many at once", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := newSlots(100)
			s.take(t.Context(), 100)
			for _, returned := range []struct {
				n    int
				wait time.Duration
			}{{1, time.Millisecond}, {25, 0}} { // one by one, or a quarter of them
				start := time.Now()
				go s.giveUnused(returned.n)
				if n := s.take(t.Context(), 100); n != returned.n || time.Since(start) != returned.wait {
					t.Errorf("took %d after %s, want %d after %s", n, time.Since(start), returned.n, returned.wait)
				}
			}
		})
	})

	t.Run("are not waited for when the worker stops", func(t *testing.T) {
		t.Parallel()
		s := newSlots(1)
		s.take(t.Context(), 1)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if n := s.take(ctx, 1); n != 0 {
			t.Errorf("took %d, want none", n)
		}
	})

	t.Run("never sleep through a return, however many wait", func(t *testing.T) {
		t.Parallel()
		s := newSlots(8)
		var group sync.WaitGroup
		for range 4 {
			group.Go(func() {
				for range 5000 {
					s.giveUnused(s.take(t.Context(), 3))
				}
			})
		}
		group.Wait()
		if n := s.available(); n != 8 {
			t.Errorf("%d slots are free in the end, want 8", n)
		}
	})
}

func TestGather(t *testing.T) {
	t.Parallel()
	fill := func(n int) chan int {
		c := make(chan int, n)
		for i := range n {
			c <- i + 1
		}
		return c
	}

	t.Run("takes what is there and waits for nothing", func(t *testing.T) {
		t.Parallel()
		if got := gather(nil, 0, fill(3)); !cmp.Equal(got, []int{0, 1, 2, 3}) {
			t.Errorf("gathered %v", got)
		}
	})

	t.Run("stops at the largest batch", func(t *testing.T) {
		t.Parallel()
		waiting := fill(2 * maxBatch)
		if got := gather(nil, 0, waiting); len(got) != maxBatch || len(waiting) != maxBatch+1 {
			t.Errorf("gathered %d and left %d, want %d and %d", len(got), len(waiting), maxBatch, maxBatch+1)
		}
	})

	t.Run("stops at the end", func(t *testing.T) {
		t.Parallel()
		waiting := fill(2)
		close(waiting)
		if got := gather(nil, 0, waiting); !cmp.Equal(got, []int{0, 1, 2}) {
			t.Errorf("gathered %v", got)
		}
	})
}

func TestNewTokens(t *testing.T) {
	t.Parallel()
	seen := map[uuid.UUID]bool{}
	for _, token := range newTokens(1000) {
		if token.Version() != 4 || token.Variant() != uuid.RFC4122 || seen[token] {
			t.Fatalf("token %s is no new random UUID", token)
		}
		seen[token] = true
	}
}
