package torture

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"oprun.example/pkg/events"
)

// facts are what the database and the stream have to say, read from outside the ledger's own code.
type facts struct {
	runs      map[uuid.UUID]run
	effects   map[uuid.UUID][]effect
	joins     map[uuid.UUID]join  // recorded deliveries, by the id of the run they would have made
	business  map[int][]uuid.UUID // the callers' own rows, by request
	letters   map[uint64]string   // reasons of dead letters, by sequence
	claims    map[uuid.UUID][]time.Time
	seen      []breach  // by the auditor in the database
	messages  []message // what the clients' stream holds, but for the relay's
	byRequest map[int][]message
}

// run is a row of the ledger.
type run struct {
	ID          uuid.UUID
	Type        string
	Scope       string
	Hash        string
	Outcome     string
	Attempt     int
	MaxAttempts int
	Processed   *int
	FireTime    *string // of the schedule that asked for it
	CreatedAt   time.Time
	CompletedAt *time.Time
	ChangedAt   *time.Time // when its last change was committed: until then it served whoever met it
}

// effect is what a handler left.
type effect struct {
	RunID   uuid.UUID
	Attempt int
	Request int
}

// join is a recorded delivery.
type join struct {
	ID      uuid.UUID
	RunID   uuid.UUID
	Verdict string
}

// breach is a line of the auditor.
type breach struct {
	Invariant string
	RunID     uuid.UUID
	Detail    string
}

// message is one of the clients' stream.
type message struct {
	seq     uint64
	runID   uuid.UUID // the run that it makes, by its occurrence
	request int       // 0: its input does not tell
	bad     bool      // no codec reads it
}

func (s *stage) facts(ctx context.Context) (*facts, error) {
	f := &facts{
		runs: map[uuid.UUID]run{}, effects: map[uuid.UUID][]effect{}, joins: map[uuid.UUID]join{}, business: map[int][]uuid.UUID{},
		letters: map[uint64]string{}, claims: map[uuid.UUID][]time.Time{}, byRequest: map[int][]message{},
	}
	for _, w := range s.worlds {
		if err := f.readLedger(ctx, w.pool); err != nil {
			return nil, err
		}
	}
	return f, f.readStream(ctx, s)
}

func (f *facts) readLedger(ctx context.Context, pool *pgxpool.Pool) error {
	return errors.Join(
		each(ctx, pool, `select r.id, r.type, coalesce('tenant.' || t.external_id, 'workspace.' || r.workspace_id) scope,
  encode(r.run_identity_hash, 'hex') hash, r.outcome, r.attempt, r.max_attempts, (r.summary_counts->>'processed')::int processed, r.context->>'fire_time' fire_time,
  r.created_at, r.completed_at, coalesce(pg_xact_commit_timestamp(r.xmin), r.completed_at) changed_at
from oprun.operation_runs r left join oprun.tenants t on t.id = r.tenant_id`, func(r run) { f.runs[r.ID] = r }),
		each(ctx, pool, "select run_id, attempt, request from torture.effects", func(e effect) { f.effects[e.RunID] = append(f.effects[e.RunID], e) }),
		each(ctx, pool, "select id, run_id, verdict from oprun.operation_run_deliveries", func(j join) { f.joins[j.ID] = j }),
		each(ctx, pool, "select request, run_id from torture.business", func(b struct {
			Request int
			RunID   uuid.UUID
		},
		) {
			f.business[b.Request] = append(f.business[b.Request], b.RunID)
		}),
		each(ctx, pool, "select seq, reason from oprun.dead_letters where stream = 'JOBS'", func(l struct {
			Seq    int64
			Reason string
		},
		) {
			f.letters[uint64(l.Seq)] = l.Reason
		}),
		each(ctx, pool, "select run_id, at from torture.claims", func(c struct {
			RunID uuid.UUID
			At    time.Time
		},
		) {
			f.claims[c.RunID] = append(f.claims[c.RunID], c.At)
		}),
		each(ctx, pool, "select invariant, run_id, detail from torture.violations order by id", func(b breach) { f.seen = append(f.seen, b) }),
	)
}

// each reads the rows of a query.
func each[T any](ctx context.Context, pool *pgxpool.Pool, query string, take func(T)) error {
	rows, err := pool.Query(ctx, query)
	if err != nil {
		return err
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByName[T])
	for _, row := range all {
		take(row)
	}
	return err
}

// readStream reads the clients' stream from its beginning. What the relay published there names its run, and is the
// ledger's own business.
func (f *facts) readStream(ctx context.Context, s *stage) error {
	topology := topologies()[0]
	stream, err := s.js.Stream(ctx, topology.Stream)
	if err != nil {
		return err
	}
	left := stream.CachedInfo().State.Msgs
	reader, err := s.js.OrderedConsumer(ctx, topology.Stream, jetstream.OrderedConsumerConfig{})
	if err != nil {
		return err
	}
	for left > 0 {
		batch, err := reader.Fetch(int(min(left, 1000)), jetstream.FetchMaxWait(10*time.Second))
		if err != nil {
			return err
		}
		got := 0
		for msg := range batch.Messages() {
			if err := f.read(msg); err != nil {
				return err
			}
			got++
		}
		if got == 0 {
			return fmt.Errorf("read stream %s: %d messages left, and none arrives: %w", topology.Stream, left, errors.Join(batch.Error(), nats.ErrTimeout))
		}
		left -= uint64(got)
	}
	return nil
}

func (f *facts) read(msg jetstream.Msg) error {
	stored, err := events.FromMsg(msg)
	if err != nil {
		return err
	}
	job, err := events.Codec{}.Decode(stored)
	if err == nil && job.RunID != uuid.Nil {
		return nil
	}
	m := message{seq: stored.Seq, bad: err != nil}
	if err == nil {
		m.runID = job.Occurrence.RunID(job.Scope, job.Type)
		var in input
		if err := json.Unmarshal(job.Input, &in); err != nil {
			return fmt.Errorf("message %d of the clients: %w", m.seq, err)
		}
		m.request = in.Request
		f.byRequest[m.request] = append(f.byRequest[m.request], m)
	}
	f.messages = append(f.messages, m)
	return nil
}
