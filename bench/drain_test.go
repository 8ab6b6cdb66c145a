package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
	"oprun.example/pkg/oprun"
)

// Jobs a round: enough for each contestant to run for about two seconds.
const (
	workerJobs = 60_000
	ledgerJobs = 60_000
	loopJobs   = 6_000
)

// measurement is what one contestant did in one round.
type measurement struct {
	Rate     float64 // jobs/s
	Worker   float64 // CPU µs/job of the contestant's own process
	Postgres float64 // CPU µs/job
	NATS     float64 // CPU µs/job
	WAL      float64 // bytes/job
	RSS      float64 // MB, the contestant's peak
}

// BenchmarkDrain drains a preloaded stream of no-op jobs: through the worker; through a loop with one claim INSERT
// and one fenced UPDATE a message, autocommit, on 32 connections; and, without a stream, through the ledger alone.
func BenchmarkDrain(b *testing.B) {
	h := newHouse(b)
	rounds := map[string][]measurement{}
	for b.Loop() {
		rounds["worker"] = append(rounds["worker"], h.round("worker", workerJobs))
		rounds["loop"] = append(rounds["loop"], h.round("loop", loopJobs))
		rounds["ledger"] = append(rounds["ledger"], h.round("ledger", ledgerJobs))
	}
	worker, loop, ledger := median(rounds["worker"]), median(rounds["loop"]), median(rounds["ledger"])
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(worker.Rate, "jobs/s")
	b.ReportMetric(worker.Rate/loop.Rate, "x_loop")
	b.ReportMetric(worker.Rate/ledger.Rate, "x_ledger")
	b.ReportMetric(worker.RSS, "worker_MB")
	var table strings.Builder
	fmt.Fprintf(&table, "\n%-8s %9s %12s %12s %12s %9s %8s\n", "", "jobs/s", "own µs/job", "pg µs/job", "nats µs/job", "WAL B/job", "RSS MB")
	for _, row := range []struct {
		name string
		m    measurement
	}{{"worker", worker}, {"loop", loop}, {"ledger", ledger}} {
		fmt.Fprintf(&table, "%-8s %9.0f %12.1f %12.1f %12.1f %9.0f %8.1f\n",
			row.name, row.m.Rate, row.m.Worker, row.m.Postgres, row.m.NATS, row.m.WAL, row.m.RSS)
	}
	fmt.Fprintf(&table, "worker / loop %.1f, worker / ledger %.2f, medians of %d rounds", worker.Rate/loop.Rate, worker.Rate/ledger.Rate, len(rounds["worker"]))
	b.Log(table.String())
}

// median takes each figure's median by itself.
func median(rounds []measurement) measurement {
	of := func(field func(measurement) float64) float64 {
		var values []float64
		for _, m := range rounds {
			values = append(values, field(m))
		}
		slices.Sort(values)
		return values[len(values)/2]
	}
	return measurement{
		Rate:     of(func(m measurement) float64 { return m.Rate }),
		Worker:   of(func(m measurement) float64 { return m.Worker }),
		Postgres: of(func(m measurement) float64 { return m.Postgres }),
		NATS:     of(func(m measurement) float64 { return m.NATS }),
		WAL:      of(func(m measurement) float64 { return m.WAL }),
		RSS:      of(func(m measurement) float64 { return m.RSS }),
	}
}

// round runs one contestant on a database and a stream of its own.
func (h *house) round(role string, jobs int) measurement {
	h.b.Helper()
	url, tenant := h.freshLedger()
	if role != "ledger" {
		h.preload(tenant, jobs)
	}
	task, err := json.Marshal(contest{Jobs: jobs, Database: url, NATS: h.natsURL, Tenant: tenant})
	h.check(err)

	walBefore, pgBefore, natsBefore := h.wal(), h.postgresCPU(), h.natsCPU()
	child := h.child(role, string(task))
	out, err := child.Output()
	if err != nil {
		h.b.Fatalf("%s: %v", role, err)
	}
	var result report
	h.check(json.Unmarshal(out, &result))
	h.verify(url, jobs)

	n := float64(jobs)
	return measurement{
		Rate:     n / result.Seconds,
		Worker:   perJob(child.ProcessState.UserTime()+child.ProcessState.SystemTime(), n),
		Postgres: perJob(h.postgresCPU()-pgBefore, n), NATS: perJob(h.natsCPU()-natsBefore, n),
		WAL: float64(h.wal()-walBefore) / n, RSS: result.PeakMB,
	}
}

func perJob(cpu time.Duration, jobs float64) float64 { return float64(cpu.Microseconds()) / jobs }

// contest is what a contestant is told.
type contest struct {
	Jobs     int
	Database string
	NATS     string
	Tenant   string
}

// preload fills a fresh stream with distinct jobs.
func (h *house) preload(tenant string, jobs int) {
	h.b.Helper()
	ctx := context.Background()
	conn, err := nats.Connect(h.natsURL)
	h.check(err)
	defer conn.Close()
	js, err := jetstream.New(conn)
	h.check(err)
	topology := events.DefaultTopology()
	if err := js.DeleteStream(ctx, topology.Stream); err != nil && err != jetstream.ErrStreamNotFound { //nolint:errorlint // the client returns it as it is
		h.b.Fatal(err)
	}
	_, err = topology.Apply(ctx, js, false)
	h.check(err)
	publisher := events.NewPublisher(js, events.PublisherConfig{})
	pending := make([]*events.Pending, jobs)
	for i := range jobs {
		pending[i], err = publisher.PublishAsync(ctx, request(tenant, i))
		h.check(err)
	}
	for _, p := range pending {
		_, err := p.Wait(ctx)
		h.check(err)
	}
}

const jobType = "bench.noop"

func request(tenant string, i int) events.Request {
	identity := identityOf(tenant, i)
	return events.Request{Identity: identity, Input: input(i)}
}

func input(i int) []byte {
	return fmt.Appendf(nil, `{"connection_id":"c-%d","policy_type":"compliance","note":"%s"}`, i, strings.Repeat("x", 100))
}

func identityOf(tenant string, i int) dedupe.Identity {
	id, err := dedupe.Rule{Inputs: identityInputs}.Identify(dedupe.Tenant(mustID(tenant)), jobType, input(i), dedupe.Occurrence{})
	if err != nil {
		panic(err)
	}
	return id
}

var identityInputs = []string{"connection_id", "policy_type"}

// verify makes sure that the round was real: every job is a succeeded run.
func (h *house) verify(url string, jobs int) {
	h.b.Helper()
	var succeeded int
	h.query(url, "select count(*) from oprun.operation_runs where outcome = '"+string(oprun.Succeeded)+"'", &succeeded)
	if succeeded != jobs {
		h.b.Fatalf("%d of %d jobs succeeded", succeeded, jobs)
	}
}

func TestMain(m *testing.M) {
	if role := os.Getenv("OPRUN_BENCH_ROLE"); role != "" {
		if err := contestants[role](os.Getenv("OPRUN_BENCH_TASK")); err != nil {
			fmt.Fprintln(os.Stderr, role+":", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}
