package main

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestHistogram(t *testing.T) {
	t.Parallel()
	t.Run("its quantiles are within a hundredth of the exact ones", func(t *testing.T) {
		t.Parallel()
		var h histogram
		random := rand.New(rand.NewPCG(1, 2))
		var exact []float64
		for range 10_000 {
			d := time.Duration(math.Exp(random.Float64()*18)) * time.Microsecond
			h.add(d)
			exact = append(exact, float64(d.Microseconds())/1000)
		}
		slices.Sort(exact)
		quantiles := []float64{0, 0.1, 0.5, 0.9, 0.99, 0.999}
		for i, got := range h.take(quantiles...) {
			want := exact[int(quantiles[i]*float64(len(exact)))]
			if math.Abs(got-want) > want/100+0.001 {
				t.Errorf("quantile %v is %v, want about %v", quantiles[i], got, want)
			}
		}
	})
	t.Run("taking empties it", func(t *testing.T) {
		t.Parallel()
		var h histogram
		h.add(time.Second)
		h.take()
		if got := h.take(0.5)[0]; got != 0 {
			t.Errorf("after taking all the median is %v", got)
		}
	})
	t.Run("what is too long or negative counts as the longest and as nothing", func(t *testing.T) {
		t.Parallel()
		var h histogram
		h.add(-time.Second)
		h.add(1000 * time.Hour)
		if got := h.take(0, 0.99); got[0] > 0.001 || got[1] < time.Hour.Seconds()*1000 {
			t.Errorf("they count as %v", got)
		}
	})
}
