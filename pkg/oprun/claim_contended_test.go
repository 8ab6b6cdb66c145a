package oprun

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"oprun.example/pkg/dedupe"
)

// open begins a transaction that is rolled back after the test.
func (s *scene) open() pgx.Tx {
	s.t.Helper()
	tx, err := s.pool.Begin(s.t.Context())
	must(s.t, err)
	s.t.Cleanup(func() { _ = tx.Rollback(context.Background()) })
	return tx
}

func TestClaimOfAContendedIdentity(t *testing.T) {
	t.Parallel()
	scenes(t, map[string]func(s *scene){
		"an_open_transaction_delays_only_its_own_identity": func(s *scene) {
			tx := s.open()
			for _, name := range []string{"job 7", "job 300"} {
				_, created, err := s.On(tx).EnsureRunWithIdentity(s.t.Context(), s.request(name))
				must(s.t, err)
				same(s.t, "created", true, created)
			}
			batch := make([]Delivery, 512)
			want := make([]string, len(batch))
			for i := range batch {
				batch[i], want[i] = s.delivery(fmt.Sprint("job ", i)), "execute"
			}
			want[7], want[300] = "busy", "busy"
			began := time.Now()
			same(s.t, "answers", want, verdicts(s.claim(batch...)))
			if took := time.Since(began); took > 5*time.Second {
				s.t.Errorf("the batch took %s", took)
			} else {
				s.t.Logf("the batch took %s", took)
			}
			must(s.t, tx.Commit(s.t.Context()))
			same(s.t, "after the commit", []string{"duplicate", "duplicate"}, verdicts(s.claim(again(batch[7]), again(batch[300]))))
		},
		"a_row_that_is_locked_is_passed_over": func(s *scene) {
			locked, free := s.delivery("a"), s.delivery("b")
			s.take(locked)
			s.take(free)
			s.endLease(locked.RunID)
			s.endLease(free.RunID)
			tx := s.open()
			_, err := tx.Exec(s.t.Context(), "select from oprun.operation_runs where id = $1 for no key update", locked.RunID)
			must(s.t, err)
			same(s.t, "answers", []string{"busy", "execute"}, verdicts(s.claim(again(locked), again(free))))
			same(s.t, "a claim that was sent again after its lease", []string{"busy"}, verdicts(s.claim(locked)))
			must(s.t, tx.Rollback(s.t.Context()))
			live := s.delivery("c")
			s.take(live)
			tx = s.open()
			_, err = tx.Exec(s.t.Context(), "select from oprun.operation_runs where id = $1 for no key update", live.RunID)
			must(s.t, err)
			same(s.t, "one that was sent again under its lease", []string{"execute"}, verdicts(s.claim(live)))
			must(s.t, tx.Rollback(s.t.Context()))
			same(s.t, "when it is free", []string{"execute"}, verdicts(s.claim(again(locked))))
		},
		"an_owner_that_has_gone_when_the_ledger_looks_is_no_reason_to_skip": func(s *scene) {
			// The INSERT finds the identity taken; before the look-up the owner ends. Twenty identities, again and
			// again, hit the window often; what counts is that every request runs or is recorded.
			var once sync.Map
			group, ctx := errgroup.WithContext(s.t.Context())
			for worker := range 4 {
				group.Go(func() error {
					for round := range 50 {
						if err := s.runThrough(ctx, &once, worker, round); err != nil {
							return err
						}
					}
					return nil
				})
			}
			must(s.t, group.Wait())
			runs := query[int](s, "select count(*) from oprun.operation_runs where outcome = 'succeeded'")
			joined := query[int](s, "select count(*) from oprun.operation_run_deliveries")
			same(s.t, "requests that ran or joined", 4*50*20, runs+joined)
		},
	})
}

// runThrough claims twenty identities, finishes what may run, and asks again for what was busy.
func (s *scene) runThrough(ctx context.Context, once *sync.Map, worker, round int) error {
	batch := make([]Delivery, 20)
	for i := range batch {
		batch[i] = s.delivery(fmt.Sprint("job ", i))
	}
	for len(batch) > 0 {
		answers, err := s.Claim(ctx, s.who, batch)
		if err != nil {
			return err
		}
		var results []Result
		var busy []Delivery
		for i, a := range answers {
			switch a.Verdict {
			case dedupe.Execute:
				if _, twice := once.LoadOrStore(a.RunID, worker); twice {
					return fmt.Errorf("round %d: run %s was handed out twice", round, a.RunID)
				}
				results = append(results, succeeded(hold(batch[i], a)))
			case dedupe.Busy:
				busy = append(busy, batch[i])
			case dedupe.Duplicate:
			default:
				return fmt.Errorf("round %d: verdict %s", round, a.Verdict)
			}
		}
		if _, err := s.Finish(ctx, results); err != nil {
			return err
		}
		batch = busy
	}
	return nil
}

func TestClaimOfManyDuplicates(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	batch := make([]Delivery, 1000)
	for i := range batch {
		batch[i] = s.delivery(fmt.Sprint("job ", i%100))
	}
	counts := make(map[string]int)
	owners := make(map[[32]byte]Answer)
	answers := s.claim(batch...)
	for i, a := range answers {
		counts[a.Verdict.String()]++
		if a.Verdict == dedupe.Execute {
			owners[batch[i].Identity.Hash] = a
		}
	}
	same(t, "verdicts", map[string]int{"execute": 100, "duplicate": 900}, counts)
	for i, a := range answers {
		if owner := owners[batch[i].Identity.Hash].RunID; a.RunID != owner {
			t.Fatalf("delivery %d joined %s, its owner is %s", i, a.RunID, owner)
		}
	}
	for i := range batch {
		batch[i] = again(batch[i])
	}
	clear(counts)
	for _, a := range s.claim(batch...) {
		counts[a.Verdict.String()]++
	}
	same(t, "verdicts of the redelivery", map[string]int{"busy": 100, "duplicate": 900}, counts)
}
