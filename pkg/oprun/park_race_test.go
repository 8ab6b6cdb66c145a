package oprun

import (
	"strings"
	"testing"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"
)

// TestClaimThatRacesAPark is a counterexample of internal/model's (ParkedIsNotTaken): a claim whose snapshot has the
// tenant active comes to the row after another delivery of the same run was parked. If it took the row, the run would be
// running and due at infinity: were its worker to die then, nobody would ever look at it again (I4).
func TestClaimThatRacesAPark(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	d := s.naming(s.ensure("a"))
	gate := s.open() // holds the claim up between its snapshot and the row
	_, err := gate.Exec(t.Context(), "select pg_advisory_xact_lock(41)")
	must(t, err)
	slow := strings.Replace(claimKnownSQL, "select d.*, s.workspace_id", "select pg_advisory_xact_lock(41), d.*, s.workspace_id", 1)
	if slow == claimKnownSQL {
		t.Fatal("claim_known.sql no longer begins as this test expects")
	}
	c := &claim{ledger: s.Ledger, who: s.who, batch: []Delivery{d}, answers: make([]Answer, 1)}
	var group errgroup.Group
	var verdict string
	group.Go(func() error {
		var ord, attempt, most, left int64
		var run uuid.UUID
		var input []byte
		var tookOver bool
		return s.pool.QueryRow(t.Context(), slow, c.knownArgs([]int{0})...).Scan(&ord, &verdict, &run, &attempt, &most, &input, &left, &tookOver)
	})
	s.waitForLock()
	_, err = s.Suspend(t.Context(), s.tenant.ExternalID)
	must(t, err)
	same(t, "the other delivery", []string{"suspended"}, verdicts(s.claim(again(d))))
	must(t, gate.Rollback(t.Context()))
	must(t, group.Wait())
	same(t, "the claim, to be asked anew, and the run", []string{"again", "queued"}, []string{verdict, s.run(d.RunID).Status})
	_, parked, err := s.Resume(t.Context(), s.tenant.ExternalID)
	must(t, err)
	same(t, "parked runs that resumed", 1, parked)
}
