package jobs

import (
	"context"
	"fmt"
	"time"

	"oprun.example/pkg/oprun"
)

// deleteInput is what ops.delete_expired_runs may be told.
type deleteInput struct {
	Limit  int  `json:"limit"`   // how many runs it deletes, at most; 0: all
	DryRun bool `json:"dry_run"` // count, and change nothing
}

// deleteExpired is the handler of ops.delete_expired_runs: it deletes what is below the horizon that an earlier run has
// published, and then publishes the next one, so that no claim races a deletion.
func (w *Worker) deleteExpired(ctx context.Context, job *Job[deleteInput]) error {
	expiry, err := w.ledger.DeleteExpired(ctx, job.Args.Limit, job.Args.DryRun)
	job.Count("candidates", int64(expiry.Runs.Candidates))
	job.Count("deleted", int64(expiry.Runs.Deleted))
	job.Count("skipped", int64(expiry.Runs.Candidates-expiry.Runs.Deleted))
	if err != nil || job.Args.DryRun {
		return err
	}
	if expiry != (oprun.Expiry{}) {
		w.log.Info("expired rows deleted", "run", job.Work, "runs", expiry.Runs.Deleted, "deliveries", expiry.Deliveries.Deleted,
			"dead_letters", expiry.Letters.Deleted)
	}
	_, err = w.ledger.AdvanceHorizon(ctx, w.config.Retention)
	return err
}

// keepsLongEnough refuses a ledger that would forget runs while the stream can still deliver their messages: a
// redelivery would be rejected as too old, or its run deleted under it.
func (w *Worker) keepsLongEnough(ctx context.Context) error {
	stream, err := w.js.Stream(ctx, w.config.Stream)
	if err != nil {
		return fmt.Errorf("stream %s: %w (`consumer topology apply` makes it)", w.config.Stream, err)
	}
	config := stream.CachedInfo().Config
	if config.MaxAge == 0 {
		return fmt.Errorf("retention: the ledger keeps runs for %s, and stream %s keeps messages for ever (max age 0): give the stream a max age below that (`consumer topology apply --max-age`)",
			days(w.config.Retention), w.config.Stream)
	}
	if longest := config.MaxAge + config.Duplicates; w.config.Retention <= longest {
		return fmt.Errorf("retention: the ledger keeps runs for %s, and stream %s can deliver messages for %s (max age %s and dedupe window %s): keep runs for longer (--retention, Config.Retention), or give the stream a shorter max age",
			days(w.config.Retention), w.config.Stream, days(longest), days(config.MaxAge), days(config.Duplicates))
	}
	return nil
}

// days spells a duration in days where it is whole ones.
func days(d time.Duration) string {
	const day = 24 * time.Hour
	if d >= day && d%day == 0 {
		return fmt.Sprintf("%dd", d/day)
	}
	return d.String()
}
