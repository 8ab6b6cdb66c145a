package demo

import (
	"context"
	"fmt"
	"os"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// audit is what the ledger and the effects say about the publisher's book.
type audit struct {
	book       *book
	outcomes   map[string]int
	results    map[string]int // recorded attempts by result
	found      map[string]int // effects by job type
	want       map[string]int // runs by job type
	joined     int
	violations []string
}

// audit holds the ledger to the book: each accepted request has exactly one run with exactly one effect, or one
// recorded delivery that names the run it joined.
func (s *stage) audit(ctx context.Context, book *book) (*audit, error) {
	a := &audit{book: book, found: map[string]int{}, want: map[string]int{}}
	runs, err := pairs[uuid.UUID, string](ctx, s, "select id, outcome from oprun.operation_runs")
	if err != nil {
		return nil, err
	}
	joins, err := pairs[uuid.UUID, uuid.UUID](ctx, s, "select id, run_id from oprun.operation_run_deliveries")
	if err != nil {
		return nil, err
	}
	if a.outcomes, err = pairs[string, int](ctx, s, "select outcome, count(*) from oprun.operation_runs group by 1"); err != nil {
		return nil, err
	}
	if a.results, err = pairs[string, int](ctx, s, "select result, count(*) from oprun.operation_run_attempts group by 1"); err != nil {
		return nil, err
	}
	effects, err := s.effects(ctx)
	if err != nil {
		return nil, err
	}
	for _, r := range book.requests {
		a.request(r, runs, joins, effects[r.jobType][r.runID])
	}
	for jobType, of := range effects {
		for id, n := range of {
			a.found[jobType] += n
			if _, known := runs[id]; !known {
				a.violates("effect of an unknown run %s", id)
			}
		}
	}
	if len(runs) != book.runs {
		a.violates("%d runs, want %d", len(runs), book.runs)
	}
	return a, nil
}

// request checks one line of the book.
func (a *audit) request(r accepted, runs map[uuid.UUID]string, joins map[uuid.UUID]uuid.UUID, effects int) {
	outcome, ran := runs[r.runID]
	joined, recorded := joins[r.runID]
	switch {
	case ran && recorded:
		a.violates("request %s both ran and joined %s", r.runID, joined)
	case ran:
		a.want[r.jobType]++
		if outcome != "succeeded" || effects != 1 {
			a.violates("run %s (%s): %s with %d effects", r.runID, r.jobType, outcome, effects)
		}
	case !recorded:
		a.violates("request %s was lost: no run and no recorded delivery", r.runID)
	default:
		a.joined++
		if _, there := runs[joined]; !there {
			a.violates("request %s joined an unknown run %s", r.runID, joined)
		}
	}
}

func (a *audit) violates(format string, args ...any) {
	a.violations = append(a.violations, fmt.Sprintf(format, args...))
}

// effects counts the effects of each run, by type: rows in the database, orders in the shop, files in the folder.
func (s *stage) effects(ctx context.Context) (map[string]map[uuid.UUID]int, error) {
	rows, err := pairs[uuid.UUID, int](ctx, s, "select run_id, count(*) from effects group by 1")
	if err != nil {
		return nil, err
	}
	orders, err := pairs[uuid.UUID, int](ctx, s, "select idempotency_key::uuid, 1 from orders")
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, err
	}
	files := make(map[uuid.UUID]int, len(entries))
	for _, entry := range entries {
		id, err := uuid.Parse(entry.Name())
		if err != nil {
			return nil, fmt.Errorf("effect file %q: %w", entry.Name(), err)
		}
		files[id]++
	}
	return map[string]map[uuid.UUID]int{rowType: rows, orderType: orders, fileType: files}, nil
}

// pairs reads a query of two columns.
func pairs[K comparable, V any](ctx context.Context, s *stage, query string) (map[K]V, error) {
	rows, err := s.pool.Query(ctx, query)
	if err != nil {
		return nil, err
	}
	found := map[K]V{}
	var key K
	var value V
	_, err = pgx.ForEachRow(rows, []any{&key, &value}, func() error {
		found[key] = value
		return nil
	})
	return found, err
}
