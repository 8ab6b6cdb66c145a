package oprun

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"oprun.example/internal/devstack"
	"oprun.example/migrations"
	"oprun.example/pkg/dedupe"
)

// withoutPages makes of a ledger one whose lists no index serves.
const withoutPages = `drop index oprun.runs_succeeded, oprun.runs_unwell, oprun.runs_unwell_in_scope, oprun.runs_created`

// BenchmarkPageIndexes claims and finishes jobs of 100 tenants and 10 types, few of which have most, with the indexes
// that serve lists and without, in turns. One op is a round of both; the ratio is the median of those of the rounds:
//
//	go test -run '^$' -bench PageIndexes -benchtime 15x ./pkg/oprun
func BenchmarkPageIndexes(b *testing.B) {
	postgres := devstack.PrivatePostgres(b, devstack.PostgresConfig{
		Durable: true, SharedBuffers: "512MB",
		// No checkpoint and no vacuum in the turn of one and not of the other.
		Settings: map[string]string{"max_wal_size": "8GB", "checkpoint_timeout": "1h", "autovacuum": "off"},
	})
	with, without := newContender(b, postgres, "with", "select 1"), newContender(b, postgres, "without", withoutPages)
	for round := 0; b.Loop(); round++ {
		if round%2 == 0 {
			with.turn(b)
			without.turn(b)
		} else {
			without.turn(b)
			with.turn(b)
		}
	}
	ratios := make([]float64, len(with.rates))
	for i := range ratios {
		ratios[i] = with.rates[i] / without.rates[i]
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(middle(ratios), "ratio")
	b.ReportMetric(middle(with.rates), "jobs/s")
	b.ReportMetric(middle(without.rates), "jobs/s-without")
	b.ReportMetric(middle(with.wal), "wal-B/job")
	b.ReportMetric(middle(without.wal), "wal-B/job-without")
}

func middle(values []float64) float64 {
	values = slices.Sorted(slices.Values(values))
	return values[len(values)/2]
}

// contender is one ledger in the contest, and its figures by round.
type contender struct {
	*scene
	scopes     []dedupe.Scope
	done       int64
	rates, wal []float64
}

func newContender(b *testing.B, postgres *devstack.Postgres, name, change string) *contender {
	b.Helper()
	ctx := context.Background()
	must(b, postgres.CreateDatabase(ctx, name))
	pool, err := pgxpool.New(ctx, postgres.URL(name))
	must(b, err)
	b.Cleanup(pool.Close)
	must(b, pool.AcquireFunc(ctx, func(c *pgxpool.Conn) error {
		_, err := migrations.Up(ctx, c.Conn())
		return err
	}))
	c := &contender{scene: sceneOn(b, pool)}
	c.exec(change)
	rows, err := pool.Query(ctx, `insert into oprun.tenants (id, workspace_id, label)
		select gen_random_uuid(), $1, n::text from generate_series(1, 100) n returning external_id`, c.workspace.ID)
	must(b, err)
	tenants, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	must(b, err)
	for _, id := range tenants {
		c.scopes = append(c.scopes, dedupe.Tenant(id))
	}
	return c
}

// turn does a round's jobs with two workers.
func (c *contender) turn(b *testing.B) {
	b.Helper()
	const jobs = 80 * benchBatch
	const wal = "select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint"
	walBefore, began := query[int64](c.scene, wal), time.Now()
	var next atomic.Int64
	next.Store(c.done)
	c.done += jobs
	var workers sync.WaitGroup
	for range 2 {
		workers.Go(func() {
			w := benchWorker{scene: c.scene}
			for from := next.Add(benchBatch) - benchBatch; from < c.done; from = next.Add(benchBatch) - benchBatch {
				w.deliveries(from, from+benchBatch)
				c.spread(w.batch)
				w.claimAndFinishBatch(b)
			}
		})
	}
	workers.Wait()
	c.rates = append(c.rates, jobs/time.Since(began).Seconds())
	c.wal = append(c.wal, float64(query[int64](c.scene, wal)-walBefore)/jobs)
}

// spread gives each delivery one of the tenants and types, by its number.
func (c *contender) spread(batch []Delivery) {
	for i := range batch {
		d := &batch[i]
		var number [8]byte
		binary.BigEndian.PutUint64(number[:], d.Seq)
		hash := sha256.Sum256(number[:])
		few := func(random uint32, n int) int {
			part := float64(random) / (1 << 32)
			return int(part * part * part * float64(n))
		}
		d.Identity.Scope = c.scopes[few(binary.BigEndian.Uint32(hash[:]), len(c.scopes))]
		d.Identity.Type = fmt.Sprintf("assignments.fetch_%d", few(binary.BigEndian.Uint32(hash[4:]), 10))
		d.RunID = dedupe.ByPlace("JOBS", d.Seq, d.StoredAt).RunID(d.Identity.Scope, d.Identity.Type)
	}
}
