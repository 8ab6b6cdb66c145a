package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/oprun"
)

// ledgerWork claims and finishes the same jobs without a stream or a worker, in full batches on two connections: what
// oprun's own Postgres work costs, and so what is left to win.
func ledgerWork(ctx context.Context, s *stage) (func() error, error) {
	const batch, lanes = 512, 2
	_, ledger, err := s.ledger(ctx, 4)
	if err != nil {
		return nil, err
	}
	deliveries, err := s.deliveries()
	if err != nil {
		return nil, err
	}
	return func() error {
		return s.shared(lanes, batch, func(from, to int) error { return claimAndFinish(ctx, ledger, deliveries[from:to]) })
	}, nil
}

func (s *stage) deliveries() ([]oprun.Delivery, error) {
	all := make([]oprun.Delivery, 0, s.Jobs)
	for n := range s.Jobs {
		input, err := json.Marshal(payloadOf(n))
		if err != nil {
			return nil, err
		}
		identity, err := s.identity(input)
		if err != nil {
			return nil, err
		}
		stored := time.Now()
		all = append(all, oprun.Delivery{
			RunID:    s.occurrence(n, stored).RunID(identity.Scope, identity.Type),
			Identity: identity, Token: uuid.New(), Lease: 30 * time.Second, MaxAttempts: 5, Seq: uint64(n + 1), StoredAt: stored, Initiator: "system",
		})
	}
	return all, nil
}

func (s *stage) occurrence(n int, stored time.Time) dedupe.Occurrence {
	if id := s.requestID(n); id != "" {
		return dedupe.ByRequest(id, time.Time{})
	}
	return dedupe.ByPlace("JOBS", uint64(n+1), stored)
}

func claimAndFinish(ctx context.Context, ledger *oprun.Ledger, batch []oprun.Delivery) error {
	who := oprun.Claimer{Worker: uuid.New(), Stream: "JOBS", AckWait: 30 * time.Second}
	answers, err := ledger.Claim(ctx, who, batch)
	if err != nil {
		return err
	}
	results := make([]oprun.Result, len(batch))
	for i, answer := range answers {
		if answer.Verdict != dedupe.Execute {
			return fmt.Errorf("claim: the verdict is %s", answer.Verdict)
		}
		results[i] = oprun.Result{
			Hold:    oprun.Hold{RunID: batch[i].RunID, Token: batch[i].Token, Attempt: 1},
			Outcome: oprun.Succeeded, Ended: oprun.AttemptSucceeded,
		}
	}
	taken, err := ledger.Finish(ctx, results)
	if err == nil && len(taken) != len(results) {
		err = fmt.Errorf("finish: %d of %d were taken", len(taken), len(results))
	}
	return err
}
