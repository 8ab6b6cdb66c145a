package replay

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"oprun.example/internal/devstack"
	"oprun.example/pkg/catalog"
	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
	"oprun.example/pkg/jobs"
	"oprun.example/pkg/oprun"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(devstack.Tests{M: m}) }

// house is a broker, and one or more ledgers that know the same tenant.
type house struct {
	t       testing.TB
	js      jetstream.JetStream
	catalog *catalog.Catalog
	tenant  uuid.UUID
	*database
}

// database is a ledger beside a table of effects, which allows duplicates.
type database struct {
	t      testing.TB
	pool   *pgxpool.Pool
	ledger *oprun.Ledger
}

// The types of these tests: each run of the first has one effect, that of the second fails for good, that of the third
// succeeds at its second attempt, the fourth runs once for a key.
const (
	writes, fails, stumbles, once = "test.write", "test.fail", "test.stumble", "test.once"
)

type keyed struct {
	Key string `json:"key"`
}

func newHouse(t testing.TB) *house {
	t.Helper()
	return houseOn(t, devstack.Server(t))
}

func houseOn(t testing.TB, server *devstack.NATS, options ...nats.Option) *house {
	t.Helper()
	conn := must(server.Connect(options...))(t)
	t.Cleanup(conn.Close)
	h := &house{t: t, js: must(jetstream.New(conn))(t), tenant: uuid.New()}
	must(events.DefaultTopology().Apply(t.Context(), h.js, false))(t)
	job := catalog.Job{
		ScopeKind: dedupe.TenantScope, Identity: []string{"key"}, Lease: 3 * time.Second,
		Retry: catalog.Retry{MaxAttempts: 2, Initial: time.Millisecond, Max: time.Millisecond},
	}
	onceOnly := job
	onceOnly.IdentityMode = dedupe.OnceMode
	h.catalog = must(catalog.New(catalog.Catalog{Jobs: map[string]catalog.Job{writes: job, fails: job, stumbles: job, once: onceOnly}}, nil))(t)
	h.database = h.newDatabase()
	return h
}

// newDatabase makes an empty ledger that knows the tenant.
func (h *house) newDatabase() *database {
	h.t.Helper()
	d := &database{t: h.t, pool: devstack.Pool(h.t)}
	d.ledger = must(oprun.Open(h.t.Context(), d.pool))(h.t)
	h.t.Cleanup(d.ledger.Close)
	workspace, _, err := d.ledger.Seed(h.t.Context(), "")
	check(h.t, err)
	d.exec("create table effects (run_id uuid, attempt int)")
	d.exec("insert into oprun.tenants (id, workspace_id, external_id, label) values ($1, $2, $3, 'the same')", uuid.New(), workspace.ID, h.tenant)
	return d
}

func (d *database) exec(statement string, args ...any) {
	d.t.Helper()
	must(d.pool.Exec(d.t.Context(), statement, args...))(d.t)
}

func (d *database) count(query string, args ...any) (n int) {
	d.t.Helper()
	check(d.t, d.pool.QueryRow(d.t.Context(), query, args...).Scan(&n))
	return n
}

// tables are the contents of these tables of the ledger, or of all, by name.
func (d *database) tables(names ...string) map[string]string {
	d.t.Helper()
	if len(names) == 0 {
		rows := must(d.pool.Query(d.t.Context(), "select relname from pg_class where relnamespace = 'oprun'::regnamespace and relkind = 'r'"))(d.t)
		names = must(pgx.CollectRows(rows, pgx.RowTo[string]))(d.t)
	}
	found := map[string]string{}
	for _, name := range names {
		var text string
		check(d.t, d.pool.QueryRow(d.t.Context(),
			fmt.Sprintf(`select coalesce(string_agg(t::text, e'\n' order by t::text), '') from oprun.%s t`, name)).Scan(&text))
		found[name] = text
	}
	return found
}

// effects are how many there are of each kind.
func (d *database) effects() string {
	d.t.Helper()
	var text string
	check(d.t, d.pool.QueryRow(d.t.Context(), `select concat_ws(', ',
		(select count(*) || ' effects of ' || count(distinct run_id) || ' runs' from effects),
		(select string_agg(n, ', ' order by n) from (
			select concat_ws(' ', count(*), type, outcome, 'at attempt', attempt) as n from oprun.operation_runs group by type, outcome, attempt) x))`).Scan(&text))
	return text
}

// work starts a worker on a ledger, until the test ends or stop is called.
func (h *house) work(d *database) (stop func()) {
	h.t.Helper()
	mux := &jobs.Mux{}
	effect := func(_ context.Context, job *jobs.Job[keyed]) error {
		job.Queue("insert into effects values ($1, $2)", job.RunID, job.Attempt)
		return nil
	}
	jobs.Handle(mux, writes, effect)
	jobs.Handle(mux, once, effect)
	jobs.Handle(mux, fails, func(context.Context, *jobs.Job[keyed]) error { return jobs.Permanent(errors.New("never")) })
	jobs.Handle(mux, stumbles, func(ctx context.Context, job *jobs.Job[keyed]) error {
		if job.Attempt == 1 {
			return errors.New("not yet")
		}
		return effect(ctx, job)
	})
	return h.workWith(d, mux)
}

func (h *house) workWith(d *database, mux *jobs.Mux) (stop func()) {
	h.t.Helper()
	config := jobs.Config{NoSchedules: true, AuditEvery: -1, Logger: slog.New(slog.DiscardHandler)}
	worker := must(jobs.NewWorker(h.js, d.ledger, h.catalog, mux, config))(h.t)
	ctx, cancel := context.WithCancel(context.Background())
	result := make(chan error, 1)
	go func() { result <- worker.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		check(h.t, <-result)
	})
	h.t.Cleanup(stop)
	return stop
}

// subject is that of the tenant's jobs of a type.
func (h *house) subject(jobType string) string {
	return events.Subjects{}.Subject(dedupe.Tenant(h.tenant), jobType)
}

// publish stores a message as any client might.
func (h *house) publish(jobType, body string, header ...string) events.Place {
	h.t.Helper()
	m := &nats.Msg{Subject: h.subject(jobType), Data: []byte(body), Header: nats.Header{}}
	for i := 0; i < len(header); i += 2 {
		m.Header.Set(header[i], header[i+1])
	}
	ack := must(h.js.PublishMsg(h.t.Context(), m))(h.t)
	return events.Place{Stream: ack.Stream, Seq: ack.Sequence}
}

// drained waits until the consumer has nothing left and the ledger's runs have all ended.
func (h *house) drained(d *database) {
	h.t.Helper()
	eventually(h.t, "everything to be done", func() bool {
		info := must(must(h.js.Consumer(h.t.Context(), "JOBS", "oprun"))(h.t).Info(h.t.Context()))(h.t)
		return info.NumPending == 0 && info.NumAckPending == 0 && d.count("select count(*) from oprun.operation_runs where completed_at is null") == 0
	})
}

// record is what the stream holds, as a record.
func (h *house) record() []byte {
	h.t.Helper()
	var file bytes.Buffer
	recorder := must(events.NewRecorder(&file, true))(h.t)
	for m, err := range events.Read(h.t.Context(), h.js, "JOBS", events.Range{}) {
		check(h.t, err)
		check(h.t, recorder.Write(m))
	}
	check(h.t, recorder.Close())
	return file.Bytes()
}

// state is what the stream holds, in numbers.
func (h *house) state() jetstream.StreamState {
	h.t.Helper()
	state := must(must(h.js.Stream(h.t.Context(), "JOBS"))(h.t).Info(h.t.Context()))(h.t).State
	return state
}

// file is a record as the source of a replay.
func file(record []byte) Source {
	return Source{Lines: true, Messages: func(yield func(events.Message, error) bool) {
		for m, err := range events.Records(bytes.NewReader(record)) {
			if !yield(m, err) {
				return
			}
		}
	}}
}

// these are messages as the source of a replay.
func these(messages ...events.Message) Source {
	var all iter.Seq2[events.Message, error] = func(yield func(events.Message, error) bool) {
		for _, m := range messages {
			if !yield(m, nil) {
				return
			}
		}
	}
	return Source{Lines: true, Messages: all}
}

func eventually(t testing.TB, what string, fact func() bool) {
	t.Helper()
	const patience = 90 * time.Second
	deadline := time.After(patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !fact() {
		select {
		case <-deadline:
			t.Fatalf("waited %s for %s", patience, what)
		case <-tick.C:
		}
	}
}

func must[T any](value T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		check(t, err)
		return value
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
