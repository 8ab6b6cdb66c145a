package oprun

import (
	"testing"
	"time"
)

// A transaction that took long to begin gets somewhere, or a group would be tried for ever where all are slow to begin.
func TestSlowToBegin(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	c := s.crowd(3 * firstPart)
	g := &group{ledger: s.Ledger, batch: c.batch, settled: make([]Settled, len(c.batch))}
	conn, err := s.queued.Acquire(t.Context())
	must(t, err)
	defer conn.Release()
	p := &pass{group: g, began: time.Now().Add(-2 * groupBudget), bad: make(map[int]error)}
	must(t, p.begin(t.Context(), conn))
	defer func() { _ = p.tx.Rollback(t.Context()) }()
	left, err := p.play(t.Context(), g.sorted())
	must(t, err)
	same(t, "jobs that it had no time for", 2*firstPart, len(left))
	same(t, "jobs that were carried out", firstPart, len(p.played))
}
