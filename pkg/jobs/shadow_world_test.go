package jobs

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go"

	"oprun.example/pkg/catalog"
	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
	"oprun.example/pkg/oprun"
)

var updateRecord = flag.Bool("update", false, "make testdata/shadow/record.ndjson anew, of what TestShadowRecord publishes")

// Whose jobs are recorded: the ledgers of these tests are given them.
var (
	shadowWorkspace = uuid.MustParse("0197a1b2-0000-7000-8000-000000000001")
	shadowTenants   = []uuid.UUID{uuid.MustParse("6f9619ff-8b86-4d01-b42d-00cf4fc964ff"), uuid.MustParse("3d6f0a1e-2c7b-4a59-9e3d-5b1f8c0a7d42")}
)

const shadowRecord = "testdata/shadow/record.ndjson"

// shadowCatalog declares what the recorded jobs are.
func shadowCatalog(t testing.TB, change func(map[string]catalog.Job)) *catalog.Catalog {
	t.Helper()
	job := func(scope dedupe.ScopeKind, identity ...string) catalog.Job {
		j := testJob(identity...)
		j.ScopeKind, j.Counts = scope, []string{"orders"}
		return j
	}
	once, cool, chain, follow := job(dedupe.TenantScope, "key"), job(dedupe.TenantScope, "key"), job(dedupe.TenantScope, "key"), job(dedupe.TenantScope, "key")
	once.IdentityMode, cool.Cooldown, chain.IdentityMode, follow.OnDuplicate = dedupe.OnceMode, time.Hour, dedupe.RequestMode, catalog.FollowUp
	jobs := map[string]catalog.Job{
		"shop.order": job(dedupe.TenantScope, "key"), "shop.import": job(dedupe.TenantScope, "key"), "shop.fail": job(dedupe.TenantScope, "key"),
		"shop.slow": job(dedupe.TenantScope, "key"), "shop.queue": job(dedupe.TenantScope, "key"), "shop.report": job(dedupe.WorkspaceScope, "key"),
		"shop.block": job(dedupe.TenantScope, "key"), "shop.once": once, "shop.cool": cool, "shop.chain": chain, "shop.follow": follow,
	}
	if change != nil {
		change(jobs)
	}
	schemas := fstest.MapFS{"small.json": {Data: []byte(`{"type":"object","properties":{"n":{"maximum":10}}}`)}}
	return must(catalog.New(catalog.Catalog{Jobs: jobs}, schemas))(t)
}

// shadowMessages are what the record was made of, in order: several types and outcomes, duplicates, and what can never run.
func shadowMessages() (messages []*nats.Msg) {
	subjects := events.Subjects{}
	add := func(scope dedupe.Scope, jobType, input, requestID string) {
		m := &nats.Msg{Subject: subjects.Subject(scope, jobType), Data: []byte(input)}
		if requestID != "" {
			m.Header = nats.Header{events.HeaderRequestID: {requestID}, events.HeaderInitiator: {"cashier"}}
		}
		messages = append(messages, m)
	}
	for n := range 24 {
		tenant := dedupe.Tenant(shadowTenants[n%2])
		key := fmt.Sprintf(`{"key":"k%d","n":%d}`, n, n)
		add(tenant, "shop.order", key, "")
		add(tenant, "shop.import", key, fmt.Sprintf("import-%d", n))
		add(tenant, "shop.fail", key, "")
		add(tenant, "shop.queue", key, "")
		add(dedupe.Workspace(shadowWorkspace), "shop.report", key, "")
		add(tenant, "shop.block", key, fmt.Sprintf("block-%d", n))
		few := fmt.Sprintf(`{"key":"k%d","n":%d}`, n%4, n)
		add(tenant, "shop.slow", few, "")
		add(tenant, "shop.follow", few, "")
		add(tenant, "shop.once", few, fmt.Sprintf("once-%d", n))
		add(tenant, "shop.cool", few, "")
		add(tenant, "shop.chain", key, "")
		if n%6 == 0 {
			add(tenant, "shop.unheard", key, "")
			add(tenant, "shop.order", `{"n":1}`, "")
			add(tenant, "shop.order", `{"key":`, "")
			add(dedupe.Tenant(uuid.MustParse("11111111-2222-4333-8444-555555555555")), "shop.order", key, "")
			add(tenant, "shop.import", key, fmt.Sprintf("import-%d", n)) // asked twice: one request
		}
	}
	return messages
}

// readShadowRecord reads the record that is checked in.
func readShadowRecord(t testing.TB) iter.Seq2[events.Message, error] {
	t.Helper()
	file := must(os.Open(shadowRecord))(t)
	t.Cleanup(func() { check(t, file.Close()) })
	return events.Records(file)
}

// The record is what these messages were in a stream. With -update it is made anew.
func TestShadowRecord(t *testing.T) {
	t.Parallel()
	want := shadowMessages()
	if *updateRecord {
		s := newStack(t)
		for _, m := range want {
			must(s.js.PublishMsg(t.Context(), m))(t)
		}
		check(t, os.MkdirAll(filepath.Dir(shadowRecord), 0o755))
		file := must(os.Create(shadowRecord))(t)
		recorder := must(events.NewRecorder(file, false))(t)
		for m, err := range events.Read(t.Context(), s.js, s.topology.Stream, events.Range{}) {
			check(t, err)
			check(t, recorder.Write(m))
		}
		check(t, errors.Join(recorder.Close(), file.Close()))
	}
	n := 0
	for m, err := range readShadowRecord(t) {
		check(t, err)
		if n >= len(want) || m.Subject != want[n].Subject || string(m.Data) != string(want[n].Data) {
			t.Fatalf("record %d is not what this test publishes: go test ./pkg/jobs -run TestShadowRecord -update", n)
		}
		n++
	}
	if n != len(want) {
		t.Errorf("the record has %d messages, and this test publishes %d", n, len(want))
	}
}

// shop is how the recorded jobs are handled; tests change it.
type shop struct {
	slow       chan struct{} // closed when the duplicates of slow jobs have come
	dispatcher *Dispatcher
	orders     func(key string) int64
	failCode   string
	fails      func(key string) bool
}

type ordered struct {
	Key string `json:"key"`
	N   int    `json:"n"`
}

func newShop() *shop {
	slow := make(chan struct{})
	close(slow)
	return &shop{slow: slow, orders: func(string) int64 { return 1 }, failCode: "supplier.closed", fails: func(string) bool { return true }}
}

func (h *shop) mux() *Mux {
	mux := &Mux{}
	write := func(ctx context.Context, job *Job[ordered]) error {
		return job.Commit(ctx, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, "insert into effects (run_id, attempt) values ($1, $2)", job.RunID, job.Attempt)
			job.Count("orders", h.orders(job.Args.Key))
			return err
		})
	}
	for _, jobType := range []string{"shop.order", "shop.report", "shop.once", "shop.cool"} {
		Handle(mux, jobType, write)
	}
	slow := func(ctx context.Context, job *Job[ordered]) error {
		select {
		case <-h.slow:
		case <-ctx.Done():
			return ctx.Err()
		}
		return write(ctx, job)
	}
	Handle(mux, "shop.slow", slow)
	Handle(mux, "shop.follow", slow)
	Handle(mux, "shop.import", func(ctx context.Context, job *Job[ordered]) error {
		job.Count("processed", int64(job.Args.N))
		if job.Args.N%3 == 0 {
			job.Failure(h.failCode, "the supplier is closed")
		}
		return write(ctx, job)
	})
	Handle(mux, "shop.fail", func(ctx context.Context, job *Job[ordered]) error {
		switch {
		case job.Args.N%3 == 0 && job.Attempt < 2:
			return errors.New("not yet")
		case job.Args.N%3 == 1 && h.fails(job.Args.Key):
			return errors.New("never")
		case job.Args.N%3 == 2 && h.fails(job.Args.Key):
			return Permanent(errors.New("not at all"))
		}
		return write(ctx, job)
	})
	Handle(mux, "shop.queue", func(_ context.Context, job *Job[ordered]) error {
		job.Queue("insert into effects (run_id, attempt) values ($1, $2)", job.RunID, job.Attempt)
		job.Count("created", 1)
		return nil
	})
	Handle(mux, "shop.block", func(context.Context, *Job[ordered]) error { return Blocked("shop.closed", "the shop is closed") })
	Handle(mux, "shop.chain", func(ctx context.Context, job *Job[ordered]) error {
		return job.Commit(ctx, func(tx pgx.Tx) error {
			_, err := h.dispatcher.DispatchTx(ctx, tx, job.Scope, "shop.order", map[string]string{"key": "chain " + job.Args.Key})
			return err
		})
	})
	return mux
}

// shadowStory is a ledger that has run what was recorded, and has come to rest.
func shadowStory(t *testing.T) *stack {
	t.Helper()
	s := newStack(t)
	s.catalog = shadowCatalog(t, nil)
	s.exec("insert into oprun.workspaces (id, name) values ($1, 'shop')", shadowWorkspace)
	for n, tenant := range shadowTenants {
		s.exec("insert into oprun.tenants (id, workspace_id, external_id, label) values ($1, $2, $3, $4)", uuid.New(), shadowWorkspace, tenant, fmt.Sprint("shop ", n))
	}
	for m, err := range readShadowRecord(t) {
		check(t, err)
		place := events.Place{Stream: m.Stream, Seq: m.Seq, StoredAt: m.StoredAt}
		again := &nats.Msg{Subject: m.Subject, Header: nats.Header{events.HeaderOccurrence: {place.String()}}, Data: m.Data}
		for name, values := range m.Header {
			again.Header[name] = values
		}
		if ack := must(s.js.PublishMsg(t.Context(), again))(t); ack.Sequence != m.Seq {
			t.Fatalf("record %d was stored as message %d", m.Seq, ack.Sequence)
		}
	}
	h := newShop()
	h.slow, h.dispatcher = make(chan struct{}), s.dispatcher()
	w := s.start(h.mux(), Config{AuditEvery: -1})
	s.eventually("the duplicates to be told", func() bool {
		const joined = "select count(*) from oprun.operation_run_deliveries d join oprun.operation_runs r on r.id = d.run_id where r.type = "
		return s.count(joined+"'shop.slow'") == 20 && s.count(joined+"'shop.follow' and d.verdict = 'follow_up'") == 16
	})
	close(h.slow)
	s.acknowledged()
	s.eventually("all runs to end", func() bool {
		return s.count("select count(*) from oprun.operation_runs where completed_at is null") == 0
	})
	check(t, w.stop())
	// A dead letter stands where its message did: here those of the record's own places.
	for m, err := range readShadowRecord(t) {
		check(t, err)
		s.exec("update oprun.dead_letters set store_time = $2 where seq = $1", m.Seq, m.StoredAt)
	}
	return s
}

// shadow plays records with these handlers and this catalogue, and returns what differs.
func (s *stack) shadow(name string, h *shop, cat *catalog.Catalog, records iter.Seq2[events.Message, error]) (ShadowTally, oprun.ShadowReport) {
	s.t.Helper()
	h.dispatcher = s.dispatcher()
	config := ShadowConfig{Name: name, Source: shadowRecord, Logger: slog.New(slog.NewTextHandler(s.t.Output(), nil))}
	tally := must(must(NewShadow(s.ledger, cat, h.mux(), config))(s.t).Run(s.t.Context(), records))(s.t)
	return tally, s.shadowDiff(name)
}

func (s *stack) shadowDiff(name string) oprun.ShadowReport {
	s.t.Helper()
	made := must(s.ledger.OpenShadow(s.t.Context(), name))(s.t)
	defer made.Close()
	return must(made.Diff(s.t.Context(), 1000))(s.t)
}
