//go:build failpoint

package oprun

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"oprun.example/internal/devstack"
)

// The switches know the statements as they are, and what they make of them is still a statement.
func TestBrokenStatements(t *testing.T) {
	t.Parallel()
	conn, err := pgx.Connect(t.Context(), devstack.Database(t))
	must(t, err)
	t.Cleanup(func() { must(t, conn.Close(t.Context())) })
	for name, text := range map[string]string{
		"finish": unfencedFinish(finishSQL), "finish alone": unfencedFinish(finishAloneSQL), "finish_one": unfencedOne(finishOneSQL), "requeue": unfencedRequeue(requeueSQL), "claim_known": unleased(claimKnownSQL),
	} {
		_, err := conn.Prepare(t.Context(), name, text)
		must(t, err)
	}
}
