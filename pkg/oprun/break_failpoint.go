//go:build failpoint

package oprun

import (
	"fmt"
	"strings"

	"oprun.example/internal/failpoint"
)

// broken is where a test switches rules of the protocol off (OPRUN_BREAK), to see that their absence is noticed. It
// alters the statements' texts before anything uses them, and is in no ordinary build.
var _ = broken()

func broken() bool {
	if failpoint.Off(failpoint.Fence) {
		finishSQL, requeueSQL = unfencedFinish(finishSQL), unfencedRequeue(requeueSQL)
		finishOneSQL, finishAloneSQL = unfencedOne(finishOneSQL), alone(finishSQL)
	}
	if failpoint.Off(failpoint.Lease) {
		claimKnownSQL = unleased(claimKnownSQL)
	}
	return true
}

// unfencedFinish takes a result from whoever brings it: the claim token no longer matters.
func unfencedFinish(sql string) string { return swap(sql, " and r.claim_token = w.token", "") }

// unfencedOne does the same for an attempt that has a transaction of its own.
func unfencedOne(sql string) string {
	return swap(sql, " and r.claim_token = $2::uuid", " and $2::uuid is not null")
}

// unfencedRequeue does the same for a retry. The token is recorded as it comes.
func unfencedRequeue(sql string) string {
	sql = swap(sql, "where r.claim_token = q.token", "where true")
	return swap(sql, "r.claim_token, r.claimed_by, ", "q.token as claim_token, r.claimed_by, ")
}

// unleased takes a run although somebody's lease on it is alive.
func unleased(sql string) string {
	return swap(sql, "or r.lease_expires_at < clock_timestamp()", "or r.lease_expires_at is not null")
}

// swap replaces what stands in a statement once; a statement in which it does not is another than this file knows.
func swap(sql, old, text string) string {
	if strings.Count(sql, old) != 1 {
		panic(fmt.Sprintf("OPRUN_BREAK: %q does not stand once in:\n%s", old, sql))
	}
	return strings.Replace(sql, old, text, 1)
}
