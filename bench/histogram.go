package main

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// histogram counts durations in buckets that are at most 0.8 % wide, in memory that does not grow, so that it can run
// for as long as it likes. Many goroutines may add to it.
type histogram struct {
	counts [histogramBuckets]atomic.Int64
}

const (
	histogramBits      = 8                        // values below 2^8 µs have buckets of their own
	histogramHalf      = 1 << (histogramBits - 1) // and each doubling after that has so many
	histogramDoublings = 24
	histogramBuckets   = (2 + histogramDoublings) * histogramHalf
	histogramLongest   = (1<<(histogramBits+histogramDoublings) - 1) * time.Microsecond // 71 minutes
)

func (h *histogram) add(d time.Duration) {
	micros := uint64(min(max(d, 0), histogramLongest).Microseconds())
	h.counts[bucketOf(micros)].Add(1)
}

func bucketOf(micros uint64) int {
	if micros < 2*histogramHalf {
		return int(micros)
	}
	shift := bits.Len64(micros) - histogramBits
	return shift*histogramHalf + int(micros>>shift)
}

// middleOf is the middle of a bucket, in milliseconds.
func middleOf(bucket int) float64 {
	if bucket < 2*histogramHalf {
		return (float64(bucket) + 0.5) / 1000
	}
	shift := bucket/histogramHalf - 1
	low := uint64(bucket-shift*histogramHalf) << shift
	return (float64(low) + float64(uint64(1)<<shift)/2) / 1000
}

// take empties the histogram, and returns quantiles of what was in it, in milliseconds; of nothing: zeros.
func (h *histogram) take(quantiles ...float64) []float64 {
	var counts [histogramBuckets]int64
	total := int64(0)
	for i := range counts {
		counts[i] = h.counts[i].Swap(0)
		total += counts[i]
	}
	found := make([]float64, len(quantiles))
	for i, q := range quantiles {
		found[i] = quantileOf(counts[:], int64(q*float64(total)))
	}
	return found
}

// quantileOf is the value with so many below it.
func quantileOf(counts []int64, below int64) float64 {
	for bucket, n := range counts {
		if below < n {
			return middleOf(bucket)
		}
		below -= n
	}
	return 0
}
