package main

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"oprun.example/pkg/jobs"
	"oprun.example/pkg/oprun"
)

const table = "create table assignments (policy text, assigned_to text)"

// The job types, as jobs.yaml declares them.
const (
	fetch   = "assignments.fetch"
	restore = "assignments.restore"
)

type fetchInput struct {
	ConnectionID string `json:"connection_id"`
}

type restoreInput struct {
	BackupID string              `json:"backup_id"`
	Policies map[string][]string `json:"policies"`
}

// handlers are this domain's: what they need, and a method for each job type.
type handlers struct{ directory *directory }

func handle(d *directory) *jobs.Mux {
	h, mux := &handlers{d}, &jobs.Mux{}
	jobs.Handle(mux, fetch, h.fetch)
	jobs.Handle(mux, restore, h.restore)
	return mux
}

// fetch copies what can be read, and says what cannot. The copy and the end of the run are one commit.
func (h *handlers) fetch(ctx context.Context, job *jobs.Job[fetchInput]) error {
	return job.Commit(ctx, func(tx pgx.Tx) error {
		for _, policy := range h.directory.names() {
			job.Count("policies", 1)
			groups, err := h.directory.read(policy)
			if err != nil {
				// A code is stable and for programs, a message is for people, and neither holds the payload.
				job.Failure("assignments.policy_forbidden", "a policy may not be read with this connection")
				job.Count("failed", 1)
				continue
			}
			if err := replace(ctx, tx, policy, groups); err != nil {
				return err // of the whole job: it is tried again
			}
			job.Count("created", int64(len(groups)))
		}
		return nil
	})
}

func replace(ctx context.Context, tx pgx.Tx, policy string, groups []string) error {
	if _, err := tx.Exec(ctx, "delete from assignments where policy = $1", policy); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, "insert into assignments select $1, unnest($2::text[])", policy, groups)
	return err
}

// restore has the directory assign the policies of a backup anew. The run's id is the same in all attempts.
func (h *handlers) restore(_ context.Context, job *jobs.Job[restoreInput]) error {
	done, err := h.directory.restore(job.RunID, job.Args.Policies)
	if err != nil {
		return jobs.Retry(err, time.Hour) // nobody knows what has happened there, and it is not to be pressed
	}
	job.Count("total", int64(len(job.Args.Policies)))
	job.Count("updated", int64(done.restored))
	for range done.refused {
		job.Failure("assignments.policy_refused", "a policy could not be restored")
		job.Count("failed", 1)
	}
	return nil
}

// adapter tells housekeeping what the directory knows of restores that no worker has in hand.
type adapter struct{ directory *directory }

// Look implements jobs.Adapter.
func (a adapter) Look(_ context.Context, runs []oprun.Candidate) (map[uuid.UUID]jobs.Truth, error) {
	truths := make(map[uuid.UUID]jobs.Truth)
	for _, run := range runs {
		done, ok := a.directory.look(run.ID)
		if !ok {
			continue // nothing is known of it: it stays as it is
		}
		truth := jobs.Truth{State: jobs.DomainEnded, Outcome: oprun.Succeeded, Evidence: "the directory has restored all of it"}
		if len(done.refused) > 0 {
			truth.Outcome, truth.Evidence = oprun.PartiallySucceeded, "the directory has restored a part of it"
		}
		truth.Confirmed = true // the record carries this very run's id
		truths[run.ID] = truth
	}
	return truths, nil
}
