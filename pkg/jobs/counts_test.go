package jobs

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
)

func TestSummaryCounts(t *testing.T) {
	t.Parallel()

	t.Run("are those of the attempt that ends the run", func(t *testing.T) {
		t.Parallel() // I13
		s := newStack(t)
		s.start(handling(func(ctx context.Context, job *Job[keyed]) error {
			job.Count("processed", 5)
			job.Count("processed", 2)
			if job.Attempt < 2 {
				job.Count("failed", 7)
				return errBoom
			}
			_ = job.Commit(ctx, func(pgx.Tx) error {
				job.Count("created", 100) // of a transaction that is rolled back
				return errBoom
			})
			return writeEffect(ctx, job)
		}), Config{})
		run := s.run(s.finished(`{"key":"a"}`))
		if diff := cmp.Diff(map[string]int64{"processed": 7, "created": 1}, run.SummaryCounts); diff != "" {
			t.Errorf("summary counts (-want +got):\n%s", diff)
		}
	})

	t.Run("that are undeclared or negative are dropped and counted", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		job := testJob("key")
		job.Counts = []string{"policies"}
		s.catalog = testCatalog(t, job)
		w := s.start(handling(func(ctx context.Context, job *Job[keyed]) error {
			job.Count("policies", 3)
			job.Count("Undeclared", 1)
			job.Count("deleted", -1)
			if job.Attempt < 2 {
				return errBoom
			}
			return job.Commit(ctx, func(pgx.Tx) error { return nil })
		}), Config{})
		run := s.run(s.finished(`{"key":"a"}`))
		if diff := cmp.Diff(map[string]int64{"policies": 3}, run.SummaryCounts); diff != "" {
			t.Errorf("summary counts (-want +got):\n%s", diff)
		}
		if n := w.metric(t, "summary_counts_dropped_total"); n != 2 {
			t.Errorf("%v counts were counted as dropped, want the 2 of the attempt that ended the run", n)
		}
	})
}
