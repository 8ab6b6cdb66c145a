package jobs

import (
	"context"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"

	"oprun.example/pkg/oprun"
)

// keyed is the input of the test types.
type keyed struct {
	Key string `json:"key"`
}

// writing returns a mux whose handler writes one effect in its run's transaction.
func writing() *Mux {
	mux := &Mux{}
	Handle(mux, testType, writeEffect)
	return mux
}

func writeEffect(ctx context.Context, job *Job[keyed]) error {
	return job.Commit(ctx, func(tx pgx.Tx) error {
		job.Count("created", 1)
		return effectIn(ctx, job)(tx)
	})
}

// effectIn is an effect of a job's, for a transaction of its own.
func effectIn(ctx context.Context, job *Job[keyed]) func(tx pgx.Tx) error {
	return func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "insert into effects values ($1, $2)", job.RunID, job.Attempt)
		return err
	}
}

func TestWorker(t *testing.T) {
	t.Parallel()

	t.Run("runs every job once and commits its effect with it", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		s.start(writing(), Config{})
		const jobs = 300
		last := s.publish(`{"key":"0"}`)
		for i := 1; i < jobs; i++ {
			last = s.publish(fmt.Sprintf(`{"key":"%d"}`, i))
		}
		s.settled(jobs)
		if got := s.count("select count(distinct run_id) from effects"); got != jobs {
			t.Errorf("%d runs with effects, want %d", got, jobs)
		}
		if got := s.count("select count(*) from effects"); got != jobs {
			t.Errorf("%d effects, want %d", got, jobs)
		}
		run := s.run(last)
		if run.Outcome != oprun.Succeeded || run.SummaryCounts["created"] != 1 {
			t.Errorf("run %+v", run)
		}
	})
}
