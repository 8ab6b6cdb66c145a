package jobs

import (
	"testing"
	"time"

	"oprun.example/pkg/catalog"
)

func TestBackoff(t *testing.T) {
	t.Parallel()
	retry := catalog.Retry{Initial: time.Second, Max: time.Minute}
	for n, ceiling := range map[int]time.Duration{
		1: time.Second, 2: 2 * time.Second, 3: 4 * time.Second, 6: 32 * time.Second, 7: time.Minute, 8: time.Minute, 1000: time.Minute,
	} {
		var longest time.Duration
		for range 1000 {
			wait := backoff(retry, n)
			if wait < 0 || wait > ceiling {
				t.Fatalf("attempt %d: %s, want 0 to %s", n, wait, ceiling)
			}
			longest = max(longest, wait)
		}
		if longest < ceiling/2 {
			t.Errorf("attempt %d: at most %s of 1000, want a uniform share of %s", n, longest, ceiling)
		}
	}
	if wait := backoff(catalog.Retry{Initial: time.Hour, Max: time.Minute}, 1); wait > time.Minute {
		t.Errorf("%s, want no more than Max", wait)
	}
}

func TestUnknownRunDelay(t *testing.T) {
	t.Parallel()
	for delivered, want := range map[uint64]time.Duration{
		0: time.Second, 1: time.Second, 2: 2 * time.Second, 5: 16 * time.Second, 9: 256 * time.Second, 10: 5 * time.Minute, 1 << 40: 5 * time.Minute,
	} {
		if got := unknownRunDelay(delivered); got != want {
			t.Errorf("after %d deliveries: %s, want %s", delivered, got, want)
		}
	}
}
