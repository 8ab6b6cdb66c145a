package main

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"

	"oprun.example/internal/proc"
	"oprun.example/pkg/catalog"
	"oprun.example/pkg/events"
	"oprun.example/pkg/jobs"
	"oprun.example/pkg/oprun"
)

// dispatch writes the run into the ledger, and wakes a relay when NATS answers.
func (c *publishCommand) dispatch(ctx context.Context, a *app, declared *catalog.Catalog) error {
	if c.Coalesce || c.RunID != uuid.Nil {
		return misuse("publish", "--ledger: --coalesce and --run-id are for messages, and this writes a run")
	}
	input, err := readInput(ctx, c.Input, a.in)
	if err != nil {
		return err
	}
	ledger, closeLedger, err := a.ledger(ctx)
	if err != nil {
		return err
	}
	defer closeLedger()
	conn, err := a.wakeConnection(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	dispatcher := jobs.NewDispatcher(ledger, declared, conn, jobs.DispatcherConfig{Stream: a.Stream, Subjects: a.subjects(), TracerProvider: a.tracer}).
		With(jobs.DispatchOptions{RequestID: c.RequestID, Initiator: c.Initiator})
	run, err := dispatcher.Dispatch(ctx, c.scope(), c.Type, input)
	if err != nil {
		return explainDispatch(ctx, err)
	}
	e := entryOf(run, c.RequestID)
	if !c.Wait {
		return a.printRun(e)
	}
	a.log.Info("waiting for the run", "result", e.Result, "run_id", e.RunID, "request_id", e.RequestID)
	return c.await(ctx, a, func(ctx context.Context) (oprun.Run, error) { return dispatcher.Wait(ctx, run.ID) })
}

// ledger opens the ledger. The caller closes it.
func (a *app) ledger(ctx context.Context) (*oprun.Ledger, func(), error) {
	defer a.waiting("postgres")()
	pool, err := proc.ConnectPostgres(ctx, a.DatabaseURL, a.ConnectTimeout, func(config *pgxpool.Config) {
		if config.ConnConfig.RuntimeParams["application_name"] == "" {
			config.ConnConfig.RuntimeParams["application_name"] = "oprun-publisher"
		}
	})
	if err != nil {
		return nil, nil, err
	}
	ledger, err := oprun.Open(ctx, pool)
	if err != nil {
		pool.Close()
		return nil, nil, explainDispatch(ctx, err)
	}
	return ledger, func() { ledger.Close(); pool.Close() }, nil
}

// wakeConnection tries NATS once: the ledger has the run, with it or without. Its answer may be nil, which closes as well.
func (a *app) wakeConnection(ctx context.Context) (*nats.Conn, error) {
	conn, err := proc.ConnectNATS(ctx, a.nats(), a.log, 0)
	if known, ok := errors.AsType[*proc.Error](err); ok && known.Code == proc.Unavailable {
		a.log.Info("nats does not answer: a relay will find the run without being woken", "error", err)
		return nil, nil
	}
	return conn, err
}

// explainDispatch gives an error of the ledger its exit code, and says what to type.
func explainDispatch(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return err
	}
	if _, refused := errors.AsType[*events.Refusal](err); refused {
		return misuse("publish", "%w", err)
	}
	switch {
	case errors.Is(err, oprun.ErrScopeUnknown):
		return &proc.Error{Code: proc.Failed, Err: err, Hint: "type: consumer tenants list"}
	case oprun.IsSchema(err):
		return &proc.Error{Code: proc.Unavailable, Err: err, Hint: "type: consumer migrate status"}
	case oprun.Unavailable(err):
		return &proc.Error{Code: proc.Unavailable, Err: err, Hint: "the run may be there: type the same again, with --request-id if it must not run twice"}
	}
	return err
}

// entry is what there is to know of a run that stands for a request.
type entry struct {
	Result    string `json:"result"` // created, joined
	RunID     string `json:"run_id"`
	Status    string `json:"status"`
	Outcome   string `json:"outcome"`
	RequestID string `json:"request_id,omitempty"`
}

func entryOf(run jobs.Dispatched, requestID string) entry {
	e := entry{Result: "joined", RunID: run.ID.String(), Status: run.Status, Outcome: string(run.Outcome), RequestID: requestID}
	if run.Created {
		e.Result = "created"
	}
	return e
}

// printRun writes the entry as a table of one row, or as one JSON object.
func (a *app) printRun(e entry) error {
	if a.Output != "table" {
		return a.encode(e)
	}
	table := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "RESULT\tRUN\tSTATUS\tOUTCOME\tREQUEST ID")
	fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", e.Result, e.RunID, e.Status, e.Outcome, orDash(e.RequestID))
	return table.Flush()
}
