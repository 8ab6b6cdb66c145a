package jobs

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go"
	"go.opentelemetry.io/otel/trace"

	"oprun.example/pkg/catalog"
	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
	"oprun.example/pkg/oprun"
)

// Dispatcher asks for runs ledger-first: the run's row is written before any message, and a worker's relay publishes it.
// So the job is as durable as the database, and outlives the stream. It is safe for concurrent use.
type Dispatcher struct {
	ledger  *oprun.Ledger
	catalog *catalog.Catalog
	waker   *waker
	tracer  trace.Tracer // nil: none
	options DispatchOptions

	subjects events.Subjects
}

// DispatcherConfig is what a dispatcher may be told. The zero value works.
type DispatcherConfig struct {
	Stream   string          // whose workers are woken; default JOBS
	Subjects events.Subjects // the workers'; for [Dispatcher.Wait]

	// TracerProvider makes a span of each call. Default: none are made, and a run keeps the trace context of the caller's span.
	TracerProvider trace.TracerProvider
}

// DispatchOptions are what a request may say beyond its input; see [Dispatcher.With].
type DispatchOptions struct {
	RunAt time.Time // not before then; zero: now

	// RequestID is the caller's own id of the request, 1 to 128 visible ASCII characters: asked again with it, in the
	// same scope and of the same type, the answer is the run of the first time. So it is when the one asks
	// ledger-first and the other by a message. Empty: every call is a request of its own.
	RequestID string

	Initiator   string    // who asks, at most 128 characters; empty: system
	InitiatorID uuid.UUID // the same for programs; zero: none
}

// Dispatched is the run that stands for a request, as it was at that moment. Created says that the request made it;
// else it joined a run that is queued or running, or, if the request was made before, or its identity runs once or cools
// down, one that may have ended.
type Dispatched struct {
	oprun.Run
	Created bool
}

// NewDispatcher returns a dispatcher of the catalogue's types. With a connection it wakes a relay after each
// [Dispatcher.Dispatch]; nil leaves the run to a relay's next look (Config.Poll of the workers).
func NewDispatcher(ledger *oprun.Ledger, cat *catalog.Catalog, conn *nats.Conn, config DispatcherConfig) *Dispatcher {
	config.Stream = cmp.Or(config.Stream, events.DefaultTopology().Stream)
	d := &Dispatcher{ledger: ledger, catalog: cat, waker: &waker{conn: conn, subject: events.WakeSubject(config.Stream)}, subjects: config.Subjects}
	if config.TracerProvider != nil {
		d.tracer = config.TracerProvider.Tracer(events.TracerName)
	}
	return d
}

// With returns a copy that dispatches with these options, and with no others.
func (d *Dispatcher) With(options DispatchOptions) *Dispatcher {
	c := *d
	c.options = options
	return &c
}

// Dispatch asks for a run of this type in a transaction of its own, and wakes a relay. Args is the job's input: a value
// that encodes to one JSON object, a json.RawMessage or []byte that is one, or nil for {}.
//
// What a worker would bury is refused with an [*events.Refusal]. Other errors to test for are oprun.ErrScopeUnknown,
// oprun.ErrOlderThanRetention (a request id from before what the ledger keeps) and oprun.Unavailable: then nobody
// knows whether the run exists, and only a request with a RequestID can be asked again without a doubt. A handler that runs
// in a shadow is refused ([ErrShadow]).
func (d *Dispatcher) Dispatch(ctx context.Context, scope dedupe.Scope, jobType string, args any) (made Dispatched, err error) {
	if err := refuseInShadow(ctx); err != nil {
		return Dispatched{}, err
	}
	ctx, span := d.span(ctx, jobType)
	defer func() { endDispatch(span, err, made) }()
	request, err := d.request(ctx, scope, jobType, args)
	if err != nil {
		return Dispatched{}, err
	}
	run, created, err := d.ledger.Ensure(ctx, request)
	if err != nil {
		return Dispatched{}, err
	}
	if created {
		d.Wake()
	}
	return Dispatched{run, created}, nil
}

// DispatchTx is Dispatch in the caller's transaction: when that commits, the run is there, and a relay finds it at its
// next look ([Dispatcher.Wake] makes that at once); when it does not, nothing has happened. A queued run that it joined
// does not start before the transaction ends, so that it sees what the caller wrote.
//
// The transaction is to be of the isolation level read committed: a stricter one fails to serialise where this one joins
// what another has just made.
func (d *Dispatcher) DispatchTx(ctx context.Context, tx pgx.Tx, scope dedupe.Scope, jobType string, args any) (made Dispatched, err error) {
	ctx, span := d.span(ctx, jobType)
	defer func() { endDispatch(span, err, made) }()
	request, err := d.request(ctx, scope, jobType, args)
	if err != nil {
		return Dispatched{}, err
	}
	run, created, err := d.ledger.On(tx).Ensure(ctx, request)
	if err != nil {
		return Dispatched{}, err
	}
	return Dispatched{run, created}, nil
}

// request checks what is asked for as a worker would check it on the wire, and computes what makes it the same as another.
func (d *Dispatcher) request(ctx context.Context, scope dedupe.Scope, jobType string, args any) (r oprun.Request, err error) {
	job, err := d.declared(scope, jobType)
	if err != nil {
		return r, fmt.Errorf("dispatch: %w", err)
	}
	r = oprun.Request{
		RunAt: d.options.RunAt, InitiatorName: d.options.Initiator, InitiatorID: d.options.InitiatorID,
		MaxAttempts: job.Retry.MaxAttempts, Once: job.IdentityMode == dedupe.OnceMode, Cools: job.Cooldown > 0,
		Follows: job.OnDuplicate == catalog.FollowUp, Context: asking(ctx).Context(),
	}
	if r.Input, err = d.input(job, args); err != nil {
		return r, fmt.Errorf("dispatch %s: %w", jobType, err)
	}
	occurrence := dedupe.ByRequest(d.options.RequestID, time.Time{})
	if d.options.RequestID != "" {
		r.ID = occurrence.RunID(scope, jobType)
	} else if job.IdentityMode == dedupe.RequestMode {
		if occurrence, err = newOccurrence(); err != nil {
			return r, err
		}
	}
	if r.Identity, err = job.Rule().Identify(scope, jobType, r.Input, occurrence); err != nil {
		return r, fmt.Errorf("dispatch %s: %w", jobType, refusing(err))
	}
	return r, nil
}

// declared finds what the catalogue says of the type, and checks the scope against it.
func (d *Dispatcher) declared(scope dedupe.Scope, jobType string) (catalog.Job, error) {
	job, ok := d.catalog.Jobs[jobType]
	if !ok {
		return job, &events.Refusal{Reason: dedupe.TypeUnknown, Detail: fmt.Sprintf("the catalogue declares no job type %.100q: add it there, or mend the name", jobType)}
	}
	if scope.Kind != job.ScopeKind {
		return job, &events.Refusal{Reason: dedupe.TypeUnknown, Detail: fmt.Sprintf("%s is declared for scope %s: give it one, not a %s", jobType, job.ScopeKind, scope.Kind)}
	}
	return job, nil
}

// input encodes and checks the arguments, and the words that travel with them.
func (d *Dispatcher) input(job catalog.Job, args any) ([]byte, error) {
	if err := events.ValidSender(d.options.RequestID, d.options.Initiator); err != nil {
		return nil, err
	}
	input, err := encode(args)
	if err != nil {
		return nil, err
	}
	if err := events.ValidInput(input); err != nil {
		return nil, err
	}
	if err := job.ValidateInput(input); err != nil {
		return nil, &events.Refusal{Reason: dedupe.SchemaViolated, Detail: err.Error()}
	}
	return input, nil
}

// encode takes bytes as they are, so that what was validated is what is stored.
func encode(args any) ([]byte, error) {
	switch args := args.(type) {
	case nil:
		return []byte("{}"), nil
	case []byte:
		return args, nil
	case json.RawMessage:
		return args, nil
	}
	input, err := json.Marshal(args)
	if err != nil {
		return nil, &events.Refusal{Reason: dedupe.Malformed, Detail: "args: " + err.Error()}
	}
	return input, nil
}

// newOccurrence makes the request id of a request that came without one.
func newOccurrence() (dedupe.Occurrence, error) {
	id, err := events.NewRequestID()
	return dedupe.ByRequest(id, time.Time{}), err
}

// refusing turns what is wrong with an input's identity into the refusal that a worker makes of it.
func refusing(err error) error {
	reason, detail := reasonOf(err)
	return &events.Refusal{Reason: reason, Detail: detail}
}
