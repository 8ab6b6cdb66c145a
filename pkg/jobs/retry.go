package jobs

import (
	"math/rand/v2"
	"time"

	"oprun.example/pkg/catalog"
)

// backoff is how long a run waits after its n-th failed attempt: exponential from Initial up to Max, with full
// jitter (a uniform share of it), so that runs that failed together do not come back together.
func backoff(retry catalog.Retry, n int) time.Duration {
	ceiling := retry.Initial
	for range n - 1 {
		if ceiling *= 2; ceiling >= retry.Max {
			break
		}
	}
	ceiling = min(ceiling, retry.Max)
	return time.Duration(rand.Int64N(int64(ceiling) + 1))
}
