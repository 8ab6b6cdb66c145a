package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/google/uuid"

	"oprun.example/internal/proc"
	"oprun.example/pkg/events"
	"oprun.example/pkg/jobs"
	"oprun.example/pkg/oprun"
)

type deadLettersRequeueCommand struct {
	IDs    []uuid.UUID `arg:"" optional:"" name:"id" help:"Ids of dead letters."`
	Reason string      `enum:",${reasons}" default:"" placeholder:"REASON" help:"All letters of this reason that were not requeued yet: one of ${reasons}."`
	Limit  int         `default:"50" placeholder:"N" help:"With --reason: how many at most, the newest, up to 1000. Default: ${default}."`
}

// Help is the longer text of --help.
func (*deadLettersRequeueCommand) Help() string {
	return "For when what was wrong is mended: the type is declared, the tenant is there, the schema takes the input. Each message goes to its subject again, " +
		"byte for byte, as a new request that has the letter's id: a letter that is requeued twice is one run. A message that is refused again is another dead letter. " +
		"Exits with 4 when some could not be requeued."
}

var requeuedColumns = []column[jobs.Requeued]{
	{"DEAD LETTER", func(r jobs.Requeued) string { return r.LetterID.String() }},
	{"SUBJECT", func(r jobs.Requeued) string { return r.Subject }},
	{"STORED", func(r jobs.Requeued) string { return r.Stream + " " + strconv.FormatUint(r.Seq, 10) }},
	{"RUN", func(r jobs.Requeued) string { return optional(r.RunID, uuid.UUID.String) }},
	{"RESULT", func(r jobs.Requeued) string {
		if r.Duplicate {
			return "was there already"
		}
		return "accepted"
	}},
}

// Run requeues the letters and shows what the stream has of them.
func (c *deadLettersRequeueCommand) Run(ctx context.Context, a *app) error {
	if err := c.validate(); err != nil {
		return err
	}
	return a.withLedger(ctx, func(ledger *oprun.Ledger) error {
		ids, err := c.letters(ctx, a, ledger)
		if err != nil {
			return err
		}
		return a.withOperator(ctx, ledger, func(operator *jobs.Operator) error {
			requeued, failed, err := requeueAll(ctx, a, operator, ids)
			if len(requeued) == 0 && err != nil {
				return err
			}
			if err := printList(a, requeued, requeuedColumns); err != nil || failed == 0 {
				return err
			}
			return &proc.Error{Code: proc.Partial, Err: fmt.Errorf("%d of %d dead letters were not requeued", failed, len(ids)), Hint: "type: consumer deadletters show <id>"}
		})
	})
}

func (c *deadLettersRequeueCommand) validate() error {
	const command = "deadletters requeue"
	if (len(c.IDs) == 0) == (c.Reason == "") {
		return misuse(command, "write the ids of dead letters, or --reason")
	}
	return page{Limit: c.Limit}.validate(command)
}

// letters are those to requeue, oldest first.
func (c *deadLettersRequeueCommand) letters(ctx context.Context, a *app, ledger *oprun.Ledger) ([]uuid.UUID, error) {
	if c.Reason == "" {
		return c.IDs, nil
	}
	letters, err := ledger.DeadLetters(ctx, oprun.DeadLetterFilter{Reason: c.Reason, Waiting: true, Limit: c.Limit})
	if err != nil {
		return nil, err
	}
	if len(letters) == c.Limit {
		a.log.Info("there may be more: type the same again")
	}
	ids := make([]uuid.UUID, len(letters))
	for i, letter := range letters {
		ids[i] = letter.ID
	}
	slices.Reverse(ids)
	return ids, nil
}

// requeueAll goes on after a letter that cannot be requeued, but not when nobody answers. The error is the last one.
func requeueAll(ctx context.Context, a *app, operator *jobs.Operator, ids []uuid.UUID) (requeued []jobs.Requeued, failed int, last error) {
	for i, id := range ids {
		done, err := operator.Requeue(ctx, id)
		if err == nil {
			requeued = append(requeued, done)
			continue
		}
		failed, last = failed+1, explainRequeue(id, err)
		if len(ids) > 1 {
			a.log.Error("dead letter not requeued", "error", err)
		}
		if ctx.Err() != nil || oprun.Unavailable(err) || errors.Is(err, events.ErrNoAck) {
			return requeued, failed + len(ids) - i - 1, last
		}
	}
	return requeued, failed, last
}

// explainRequeue says what to type when a letter cannot be requeued.
func explainRequeue(id uuid.UUID, err error) error {
	if errors.Is(err, jobs.ErrLetterAltered) {
		return &proc.Error{Code: proc.Failed, Err: err, Hint: fmt.Sprintf("type: consumer deadletters show %s --body, and publish that with headers of your own", id)}
	}
	return notFound(err, "type: consumer deadletters list")
}
