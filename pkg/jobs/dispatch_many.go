package jobs

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/oprun"
)

// DispatchMany is [Dispatcher.Dispatch] for any number of jobs of one type, in one transaction: a few statements for all
// that are new, and three or more for each that joins another's run. answers[i] is about args[i]. Of two args of one
// identity the second joins the first. Either all runs are there or, after an error, none is, unless oprun.Unavailable
// says that nobody knows. An error about one of the args names its index.
//
// A RequestID is of one request alone, and refused when there are more.
func (d *Dispatcher) DispatchMany(ctx context.Context, scope dedupe.Scope, jobType string, args ...any) (made []Dispatched, err error) {
	if err := refuseInShadow(ctx); err != nil {
		return nil, err
	}
	ctx, span := d.span(ctx, jobType)
	defer func() { endDispatch(span, err, made...) }()
	requests, err := d.requests(ctx, scope, jobType, args)
	if err != nil {
		return nil, err
	}
	answers, err := d.ledger.EnsureAll(ctx, requests)
	if err != nil {
		return nil, err
	}
	dispatched, created := dispatchedAll(answers)
	if created {
		d.Wake()
	}
	return dispatched, nil
}

// DispatchManyTx is [Dispatcher.DispatchMany] in the caller's transaction; see [Dispatcher.DispatchTx].
func (d *Dispatcher) DispatchManyTx(ctx context.Context, tx pgx.Tx, scope dedupe.Scope, jobType string, args ...any) (made []Dispatched, err error) {
	ctx, span := d.span(ctx, jobType)
	defer func() { endDispatch(span, err, made...) }()
	requests, err := d.requests(ctx, scope, jobType, args)
	if err != nil {
		return nil, err
	}
	answers, err := d.ledger.On(tx).EnsureAll(ctx, requests)
	if err != nil {
		return nil, err
	}
	dispatched, _ := dispatchedAll(answers)
	return dispatched, nil
}

// requests checks all that is asked for before any of it is.
func (d *Dispatcher) requests(ctx context.Context, scope dedupe.Scope, jobType string, args []any) ([]oprun.Request, error) {
	if len(args) > 1 && d.options.RequestID != "" {
		return nil, errors.New("dispatch many: a request id is of one request: dispatch them one by one, each with its own")
	}
	requests := make([]oprun.Request, len(args))
	for i, a := range args {
		var err error
		if requests[i], err = d.request(ctx, scope, jobType, a); err != nil {
			return nil, fmt.Errorf("args %d of %d: %w", i, len(args), err)
		}
	}
	return requests, nil
}

// dispatchedAll also tells whether any of the runs was created.
func dispatchedAll(answers []oprun.Ensured) (dispatched []Dispatched, created bool) {
	dispatched = make([]Dispatched, len(answers))
	for i, a := range answers {
		dispatched[i] = Dispatched{a.Run, a.Created}
		created = created || a.Created
	}
	return dispatched, created
}
