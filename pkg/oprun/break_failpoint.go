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
		finishSQL, requeueSQL = unfenced(finishSQL, "f"), unfenced(requeueSQL, "q")
	}
	if failpoint.Off(failpoint.Lease) {
		claimKnownSQL = unleased(claimKnownSQL)
	}
	return true
}

// unfenced takes a result from whoever brings it: the claim token no longer matters, and is recorded as it comes.
func unfenced(sql, from string) string {
	sql = swap(sql, "where r.claim_token = "+from+".token", "where true")
	return swap(sql, "r.claim_token, r.claimed_by, ", from+".token as claim_token, r.claimed_by, ")
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
