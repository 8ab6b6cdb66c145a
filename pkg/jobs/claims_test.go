package jobs

import (
	"testing"
	"testing/synctest"
)

func TestClaimsInFlight(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		flying []int // deliveries of the claims in flight
		next   int
		admit  bool
	}{
		"nothing is in flight":               {nil, maxBatch, true},
		"a large one is":                     {[]int{maxBatch}, maxBatch, true},
		"two large ones are":                 {[]int{maxBatch, maxBatch}, 1, false},
		"a large and a small one are":        {[]int{maxBatch, 1}, 1, false},
		"two small ones are":                 {[]int{1, 1}, 1, true},
		"three small ones are":               {[]int{1, 2, 1}, 2, true},
		"a large one would join small ones":  {[]int{1, 1}, fewClaimed, false},
		"no more lanes are there":            {[]int{1, 1, 1, 1}, 1, false},
		"few would just not be few any more": {[]int{fewClaimed - 2, 1}, 2, false},
		"few are still few":                  {[]int{fewClaimed - 2, 1}, 1, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var c claims
			for _, n := range test.flying {
				c.begin(n)
			}
			if got := c.admit(test.next); got != test.admit {
				t.Errorf("a claim of %d may begin: %t", test.next, got)
			}
		})
	}
}

func TestClaimsGather(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		arrivals, answered := make(chan *delivery, 3*maxBatch), make(chan int, calmClaims)
		var c claims
		c.begin(maxBatch)
		c.begin(maxBatch)
		var batch []*delivery
		ready := make(chan struct{})
		go func() {
			batch = c.gather([]*delivery{{}}, arrivals, answered)
			close(ready)
		}()
		for range maxBatch {
			arrivals <- &delivery{}
		}
		synctest.Wait()
		select {
		case <-ready:
			t.Fatal("a third large claim begins")
		default:
		}
		close(arrivals) // no more will come: what is there is claimed all the same
		answered <- maxBatch
		<-ready
		if len(batch) != maxBatch || len(arrivals) != 1 || c.statements != 1 || c.deliveries != maxBatch {
			t.Errorf("a batch of %d, %d left, %+v in flight", len(batch), len(arrivals), c)
		}
	})
}
