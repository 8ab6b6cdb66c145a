package oprun

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// SchemaVersion is the version of the schema that this package's statements are written for.
const SchemaVersion = 3

// lanes is how many connections a ledger has for its own statements, at most: they are opened when they are needed. What one
// worker may have in flight at once must not wait for each other, nor for the transactions of handlers: four claims, two
// finishes, and one each of heartbeat, relay, sweeper, schedules, housekeeping, figures, and questions about queued statements.
const lanes = 13

// DB is what a statement needs of a connection: a pool, a connection or a transaction of pgx.
type DB interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	SendBatch(ctx context.Context, batch *pgx.Batch) pgx.BatchResults
}

// Ledger is the record of runs in one database. It is safe for concurrent use.
type Ledger struct {
	pool   *pgxpool.Pool // the caller's: transactions of handlers
	db     *pgxpool.Pool // our own lanes
	queued *pgxpool.Pool // the caller's settings, our connections: statements that handlers have queued
	alone  chan struct{} // capacity alones: jobs whose queued statements run by themselves
	wary   wariness

	manyElders atomic.Bool // Stats found very many old runs
}

// Open returns the ledger in the database of this pool. Handlers' transactions use the pool, and so do statements that
// may wait for callers or read for long (Ensure…, Runs, DeadLetters). All others use a few connections of the ledger's
// own, made with the pool's settings and AfterConnect, so that no handler can starve a heartbeat; their plans, isolation and
// lock_timeout are the ledger's. Queued statements (FinishQueued) have up to five more. It fails with an error that
// [IsSchema] recognises when the schema is missing or of another version. Close it before the pool.
func Open(ctx context.Context, pool *pgxpool.Pool) (*Ledger, error) {
	db, err := pgxpool.NewWithConfig(ctx, laneConfig(pool.Config()))
	if err != nil {
		return nil, fmt.Errorf("open ledger: %w", err)
	}
	queued, err := pgxpool.NewWithConfig(ctx, queuedConfig(pool.Config()))
	if err != nil {
		db.Close()
		return nil, fmt.Errorf("open ledger: %w", err)
	}
	l := &Ledger{pool: pool, db: db, queued: queued, alone: make(chan struct{}, alones)}
	if err := l.CheckSchema(ctx); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// laneSettings are those of our own connections, whatever the caller's are.
var laneSettings = map[string]string{
	// Plans that an index serves, the same from the first row to the billionth: a plan made for an empty table
	// would scan it for a minute after it has grown.
	"plan_cache_mode": "force_generic_plan", "enable_seqscan": "off", "enable_hashjoin": "off",
	"enable_mergejoin": "off", "jit": "off",
	// Each statement has to see what was committed before it.
	"default_transaction_isolation": "read committed",
	"application_name":              "oprun",
	"lock_timeout":                  laneWait.String(),
}

// laneConfig turns the caller's settings into those of our own connections.
func laneConfig(cfg *pgxpool.Config) *pgxpool.Config {
	cfg.MaxConns, cfg.MinConns, cfg.MinIdleConns = lanes, 1, 0
	maps.Copy(cfg.ConnConfig.RuntimeParams, laneSettings)
	cfg.ConnConfig.Tracer = nil // its statements are for many jobs, and so belong to nobody's trace
	cfg.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheStatement // whatever the caller's is: only a prepared statement has a generic plan
	cfg.AfterConnect = withFastArrays(oursLast(cfg.AfterConnect))
	return cfg
}

// oursLast makes the settings again when the caller has done something with a new connection.
func oursLast(theirs func(context.Context, *pgx.Conn) error) func(context.Context, *pgx.Conn) error {
	if theirs == nil {
		return nil
	}
	names := slices.Sorted(maps.Keys(laneSettings))
	values := make([]string, len(names))
	for i, name := range names {
		values[i] = laneSettings[name]
	}
	return func(ctx context.Context, conn *pgx.Conn) error {
		if err := theirs(ctx, conn); err != nil {
			return err
		}
		_, err := conn.Exec(ctx, laneSessionSQL, names, values)
		return err
	}
}

// queuedConfig turns the caller's settings into those of connections on which queued statements run: role, search_path
// and types are the caller's. Theirs is the extended protocol, whatever the caller's is: in it a text is one statement.
func queuedConfig(cfg *pgxpool.Config) *pgxpool.Config {
	cfg.MaxConns, cfg.MinConns, cfg.MinIdleConns = 1+alones, 0, 0
	cfg.ConnConfig.Tracer = nil // as above: hundreds of jobs' statements in one transaction
	cfg.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheStatement
	cfg.ConnConfig.StatementCacheCapacity = max(cfg.ConnConfig.StatementCacheCapacity, 512)
	cfg.AfterConnect = withFastArrays(cfg.AfterConnect)
	return cfg
}

func withFastArrays(theirs func(context.Context, *pgx.Conn) error) func(context.Context, *pgx.Conn) error {
	return func(ctx context.Context, conn *pgx.Conn) error {
		fastArrays(conn.TypeMap())
		if theirs == nil {
			return nil
		}
		return theirs(ctx, conn)
	}
}

// Close ends the ledger's own connections. It waits for statements in flight.
func (l *Ledger) Close() {
	l.queued.Close()
	l.db.Close()
}

// CheckSchema returns nil when the database answers and its schema is the one this package is written for. The
// error is a [*SchemaError] when it is not.
func (l *Ledger) CheckSchema(ctx context.Context) error {
	var version int
	err := l.db.QueryRow(ctx, schemaVersionSQL).Scan(&version)
	if hasCode(err, undefinedTable, invalidSchema) {
		return &SchemaError{Want: SchemaVersion}
	}
	if err != nil {
		return fmt.Errorf("read schema version: %w", err)
	}
	if version != SchemaVersion {
		return &SchemaError{Want: SchemaVersion, Got: version}
	}
	return nil
}

// Tx is the ledger inside a transaction of the caller's.
type Tx struct{ db pgx.Tx }

// On returns the ledger inside this transaction: what it does is done when the transaction commits.
func (l *Ledger) On(tx pgx.Tx) *Tx { return &Tx{tx} }

// millis turns a duration into what the statements take.
func millis(d time.Duration) int64 { return d.Milliseconds() }
