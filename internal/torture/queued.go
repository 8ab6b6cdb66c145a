package torture

import (
	"context"

	"oprun.example/pkg/jobs"
)

// Handlers that queue their effects, which are committed with those of others (job.Queue). A statement of theirs that
// fails must take nothing with it but its own job's.

// queueEffect leaves the effect to the worker.
func queueEffect(_ context.Context, job *jobs.Job[input]) error {
	job.Count("processed", int64(job.Attempt))
	job.Queue("insert into torture.effects values ($1, $2, $3)", job.RunID, job.Attempt, job.Args.Request)
	return nil
}

// What may come behind an effect in the same job.
const (
	failsAtOnce   = "select 1 / $1::int"
	failsAtCommit = "insert into torture.children values ($1)" // its constraint is deferred
	waitsInVain   = "select pg_sleep($1)"                      // longer than a group waits for anybody
)

// spoilt queues a bad statement behind its effect, in some attempts; or one that cannot be sent, or takes long; or it
// returns an error, which drops all.
func spoilt(ctx context.Context, job *jobs.Job[input]) error {
	if err := queueEffect(ctx, job); err != nil {
		return err
	}
	switch l := luck(job.RunID, job.Attempt); {
	case l < 0.15:
		job.Queue(failsAtOnce, 0)
	case l < 0.25:
		job.Queue(failsAtCommit, 7)
	case l < 0.3:
		job.Queue("no statement")
	case l < 0.33:
		job.Queue(waitsInVain, 1.2)
	case l < 0.4:
		return errUnlucky
	}
	return nil
}

// rotten queues a bad statement behind its effect, in every attempt.
func rotten(ctx context.Context, job *jobs.Job[input]) error {
	job.Queue(failsAtOnce, 1)
	err := queueEffect(ctx, job)
	job.Queue(failsAtOnce, 0)
	return err
}
