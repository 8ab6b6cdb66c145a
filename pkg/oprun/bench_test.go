package oprun

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"oprun.example/internal/devstack"
	"oprun.example/migrations"
	"oprun.example/pkg/dedupe"
)

const benchBatch = 512

// BenchmarkClaimFinish claims and finishes distinct jobs, the way a worker does whose handlers do nothing, on a
// Postgres that survives a power failure. One op is one job:
//
//	go test -run '^$' -bench ClaimFinish -benchtime 300000x ./pkg/oprun
func BenchmarkClaimFinish(b *testing.B) {
	s := durableScene(b)
	var next atomic.Int64
	measure(b, s, func() {
		var workers sync.WaitGroup
		for range 2 {
			workers.Go(func() {
				w := benchWorker{scene: s}
				for {
					to := next.Add(benchBatch)
					from := to - benchBatch
					if from >= int64(b.N) {
						return
					}
					w.claimAndFinish(b, from, min(to, int64(b.N)))
				}
			})
		}
		workers.Wait()
	})
}

// BenchmarkClaimCompleted asks again about jobs that have ended, as after a crash that lost acknowledgements.
func BenchmarkClaimCompleted(b *testing.B) {
	s := durableScene(b)
	w := benchWorker{scene: s}
	w.claimAndFinish(b, 0, benchBatch)
	measure(b, s, func() {
		for done := 0; done < b.N; done += benchBatch {
			answers, err := s.Claim(b.Context(), s.who, w.batch)
			if err != nil || answers[0].Verdict != dedupe.Completed {
				b.Fatalf("%v %v", answers[0], err)
			}
		}
	})
}

// BenchmarkClaimDuplicates claims batches of which nine in ten ask for what another one in the batch asks for. One op is
// one delivery; the runs are not finished.
func BenchmarkClaimDuplicates(b *testing.B) {
	s := durableScene(b)
	w := benchWorker{scene: s}
	measure(b, s, func() {
		for from := int64(0); from < int64(b.N); from += benchBatch {
			w.deliveries(from, from+benchBatch)
			for i := range w.batch {
				w.batch[i].Identity = w.batch[i-i%10].Identity
			}
			if _, err := s.Claim(b.Context(), s.who, w.batch); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// durableScene is a scene on a durable Postgres of its own.
func durableScene(b *testing.B) *scene {
	b.Helper()
	return benchScene(b, devstack.PostgresConfig{Durable: true, Settings: map[string]string{"max_wal_size": "4GB"}})
}

// benchScene is a scene on a Postgres of its own.
func benchScene(b *testing.B, config devstack.PostgresConfig) *scene {
	b.Helper()
	ctx := context.Background()
	postgres := devstack.PrivatePostgres(b, config)
	must(b, postgres.CreateDatabase(ctx, "bench"))
	pool, err := pgxpool.New(ctx, postgres.URL("bench"))
	must(b, err)
	b.Cleanup(pool.Close)
	conn, err := pool.Acquire(ctx)
	must(b, err)
	defer conn.Release()
	_, err = migrations.Up(ctx, conn.Conn())
	must(b, err)
	return sceneOn(b, pool)
}

// measure reports what the jobs cost: time, WAL, and this process's own CPU.
func measure(b *testing.B, s *scene, work func()) {
	b.Helper()
	const wal = "select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint"
	walBefore, cpuBefore := query[int64](s, wal), processorTime(b)
	b.ResetTimer()
	work()
	b.StopTimer()
	jobs := float64(b.N)
	b.ReportMetric(jobs/b.Elapsed().Seconds(), "jobs/s")
	b.ReportMetric(float64((processorTime(b)-cpuBefore).Nanoseconds())/1000/jobs, "cpu-µs/job")
	b.ReportMetric(float64(query[int64](s, wal)-walBefore)/jobs, "wal-B/job")
	b.ReportMetric(0, "ns/op")
}

// processorTime is how much CPU this process, without its children, has used.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	must(b, syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// benchWorker keeps its slices, as a worker does; what is left is the ledger's own cost.
type benchWorker struct {
	*scene
	batch   []Delivery
	results []Result
}

// claimAndFinish does the jobs of these numbers.
func (w *benchWorker) claimAndFinish(b *testing.B, from, to int64) {
	b.Helper()
	w.deliveries(from, to)
	w.claimAndFinishBatch(b)
}

func (w *benchWorker) claimAndFinishBatch(b *testing.B) {
	b.Helper()
	answers, err := w.Claim(b.Context(), w.who, w.batch)
	if err != nil {
		b.Error(err)
		return
	}
	w.results = w.results[:0]
	for i, a := range answers {
		if a.Verdict == dedupe.Execute {
			r := succeeded(hold(w.batch[i], a))
			r.Counts = benchCounts
			w.results = append(w.results, r)
		}
	}
	done, err := w.Finish(b.Context(), w.results)
	if err != nil || len(done) != len(w.batch) {
		b.Errorf("%d of %d jobs were finished: %v", len(done), len(w.batch), err)
	}
}

var benchCounts = map[string]int64{"total": 1, "processed": 1}

// deliveries makes the jobs of these numbers, each of an identity of its own.
func (w *benchWorker) deliveries(from, to int64) {
	w.batch = w.batch[:0]
	began := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	scope := dedupe.Tenant(w.tenant.ExternalID)
	for n := from; n < to; n++ {
		var number [8]byte
		binary.BigEndian.PutUint64(number[:], uint64(n))
		stored := began.Add(time.Duration(n) * 25 * time.Microsecond)
		w.batch = append(w.batch, Delivery{
			RunID:    dedupe.ByPlace("JOBS", uint64(n), stored).RunID(scope, jobType),
			Identity: dedupe.Identity{Scope: scope, Type: jobType, Hash: sha256.Sum256(number[:])},
			Token:    uuid.New(), Lease: 30 * time.Second, MaxAttempts: 5, Seq: uint64(n), StoredAt: stored, Initiator: "system",
		})
	}
}
