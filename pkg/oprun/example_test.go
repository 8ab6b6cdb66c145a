package oprun_test

import (
	"context"
	"log"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/oprun"
)

// One delivery, from its claim to its end: the handler's effect and the end of the run are one commit.
func Example() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, "postgres://localhost/app")
	if err != nil {
		log.Fatal(err)
	}
	defer pool.Close()
	ledger, err := oprun.Open(ctx, pool)
	if err != nil {
		log.Fatal(err)
	}
	defer ledger.Close()

	worker := oprun.Claimer{Worker: uuid.New(), Stream: "JOBS", AckWait: 30 * time.Second}
	var delivery oprun.Delivery // made from a message
	delivery.Token, delivery.Lease = uuid.New(), 30*time.Second
	answers, err := ledger.Claim(ctx, worker, []oprun.Delivery{delivery})
	if err != nil || answers[0].Verdict != dedupe.Execute {
		return // asked again later, or acknowledged: the verdict tells
	}
	tx, err := ledger.Begin(ctx)
	if err != nil {
		return
	}
	defer func() { _ = tx.Rollback(ctx) }()
	if _, err := tx.Exec(ctx, "insert into greetings (text) values ('hello')"); err != nil {
		return
	}
	end := oprun.Result{
		Hold:    oprun.Hold{RunID: delivery.RunID, Token: delivery.Token, Attempt: answers[0].Attempt},
		Outcome: oprun.Succeeded, Ended: oprun.AttemptSucceeded,
	}
	switch err := tx.Land(ctx, end); {
	case oprun.IsFenced(err):
		return // another attempt has the run: the greeting is rolled back
	case oprun.Unavailable(err):
		log.Print(err) // unknown: ledger.Confirm tells
	}
}
