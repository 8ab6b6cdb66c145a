package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"oprun.example/internal/devstack"
	"oprun.example/pkg/catalog"
	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
	"oprun.example/pkg/jobs"
	"oprun.example/pkg/oprun"
)

// contestants are the roles of a child process. Each prints how long it took.
var contestants = map[string]func(task string) error{
	"nats": runNATS, "worker": runWorker, "loop": runLoop, "ledger": runLedger,
}

func runNATS(dir string) error {
	server, err := devstack.StartNATS(devstack.NATSConfig{StoreDir: dir, Port: -1})
	if err != nil {
		return err
	}
	fmt.Println(server.URL())
	_, _ = io.Copy(io.Discard, os.Stdin) // until the benchmark closes it
	return server.Close()
}

// arena is a contestant's connections.
type arena struct {
	contest
	pool   *pgxpool.Pool
	ledger *oprun.Ledger
	js     jetstream.JetStream
}

func enter(task string, conns int32) (*arena, error) {
	a := &arena{}
	if err := json.Unmarshal([]byte(task), &a.contest); err != nil {
		return nil, err
	}
	config, err := pgxpool.ParseConfig(a.Database)
	if err != nil {
		return nil, err
	}
	config.MaxConns, config.MinConns = conns, conns
	if a.pool, err = pgxpool.NewWithConfig(context.Background(), config); err != nil {
		return nil, err
	}
	if a.ledger, err = oprun.Open(context.Background(), a.pool); err != nil {
		return nil, err
	}
	conn, err := nats.Connect(a.NATS)
	if err != nil {
		return nil, err
	}
	a.js, err = jetstream.New(conn)
	return a, err
}

func (a *arena) report(since time.Time) error {
	took := time.Since(since).Seconds()
	peak, err := peakMB()
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(report{Seconds: took, PeakMB: peak})
}

// report is what a contestant prints.
type report struct {
	Seconds float64
	PeakMB  float64
}

// peakMB is this process's own peak: rusage would also count its parent's, from before the exec.
func peakMB() (float64, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	var kilobytes float64
	if _, err := fmt.Sscan(rest, &kilobytes); err != nil {
		return 0, fmt.Errorf("read VmHWM: %w", err)
	}
	return kilobytes / 1024, nil
}

// runWorker drains the stream with the real worker and a handler that does nothing.
func runWorker(task string) error {
	a, err := enter(task, 4)
	if err != nil {
		return err
	}
	cat, err := catalog.New(catalog.Catalog{Jobs: map[string]catalog.Job{
		jobType: {ScopeKind: dedupe.TenantScope, Identity: identityInputs},
	}}, nil)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var handled atomic.Int64
	mux := &jobs.Mux{}
	jobs.Handle(mux, jobType, func(context.Context, *jobs.Job[json.RawMessage]) error {
		if handled.Add(1) == int64(a.Jobs) {
			stop() // Run returns when the last result is handed in
		}
		return nil
	})
	worker, err := jobs.NewWorker(a.js, a.ledger, cat, mux, jobs.Config{Logger: slog.New(slog.DiscardHandler), NoSchedules: true})
	if err != nil {
		return err
	}
	start := time.Now()
	if err := worker.Run(ctx); err != nil {
		return err
	}
	return a.report(start)
}

// runLoop is what one writes by hand: for each message an INSERT that claims, an UPDATE that finishes, an ack.
func runLoop(task string) error {
	const workers = 32
	a, err := enter(task, workers)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	topology := events.DefaultTopology()
	consumer, err := a.js.Consumer(ctx, topology.Stream, topology.Consumer)
	if err != nil {
		return err
	}
	messages, err := consumer.Messages(jetstream.PullMaxMessages(512))
	if err != nil {
		return err
	}
	var workspace, tenant uuid.UUID
	if err := a.pool.QueryRow(ctx, "select workspace_id, id from oprun.tenants").Scan(&workspace, &tenant); err != nil {
		return err
	}
	start := time.Now()
	var handled atomic.Int64
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for {
				msg, err := messages.Next()
				if err != nil {
					return
				}
				if err := a.byHand(ctx, msg, workspace, tenant); err != nil {
					fmt.Fprintln(os.Stderr, err)
					os.Exit(1)
				}
				if handled.Add(1) == int64(a.Jobs) {
					messages.Stop()
				}
			}
		})
	}
	group.Wait()
	return a.report(start)
}

func (a *arena) byHand(ctx context.Context, msg jetstream.Msg, workspace, tenant uuid.UUID) error {
	meta, err := msg.Metadata()
	if err != nil {
		return err
	}
	message, err := events.FromMsg(msg)
	if err != nil {
		return err
	}
	job, err := events.Codec{}.Decode(message)
	if err != nil {
		return err
	}
	identity, err := dedupe.Rule{Inputs: identityInputs}.Identify(job.Scope, job.Type, job.Input, job.Occurrence)
	if err != nil {
		return err
	}
	id, token := job.Occurrence.RunID(job.Scope, job.Type), uuid.New()
	_, err = a.pool.Exec(ctx, `insert into oprun.operation_runs (id, workspace_id, tenant_id, type, run_identity_hash, status, attempt,
  max_attempts, claim_token, lease_expires_at, due_at, origin_seq, started_at)
values ($1, $2, $3, $4, $5, 'running', 1, 5, $6, now() + interval '30 s', now() + interval '60 s', $7, now()) on conflict do nothing`,
		id, workspace, tenant, job.Type, identity.Hash[:], token, int64(meta.Sequence.Stream))
	if err != nil {
		return err
	}
	_, err = a.pool.Exec(ctx, `update oprun.operation_runs set status = 'completed', outcome = 'succeeded', completed_at = now(),
  claim_token = null, lease_expires_at = null, due_at = null where id = $1 and claim_token = $2`, id, token)
	if err != nil {
		return err
	}
	return msg.Ack()
}

// runLedger claims and finishes the same jobs without a stream, in full batches on two connections.
func runLedger(task string) error {
	const batch, lanes = 512, 2
	a, err := enter(task, 4)
	if err != nil {
		return err
	}
	ctx := context.Background()
	batches := make(chan []oprun.Delivery, a.Jobs/batch+1)
	for from := 0; from < a.Jobs; from += batch {
		batches <- a.deliveries(from, min(from+batch, a.Jobs))
	}
	close(batches)
	errs := make(chan error, lanes)
	start := time.Now()
	for range lanes {
		go func() { errs <- a.claimAndFinish(ctx, batches) }()
	}
	for range lanes {
		if err := <-errs; err != nil {
			return err
		}
	}
	return a.report(start)
}

func (a *arena) deliveries(from, to int) []oprun.Delivery {
	batch := make([]oprun.Delivery, 0, to-from)
	for i := from; i < to; i++ {
		identity := identityOf(a.Tenant, i)
		stored := time.Now()
		batch = append(batch, oprun.Delivery{
			RunID:    dedupe.ByPlace("JOBS", uint64(i+1), stored).RunID(identity.Scope, identity.Type),
			Identity: identity, Token: uuid.New(), Lease: 30 * time.Second, MaxAttempts: 5, Seq: uint64(i + 1), StoredAt: stored, Initiator: "system",
		})
	}
	return batch
}

func (a *arena) claimAndFinish(ctx context.Context, batches <-chan []oprun.Delivery) error {
	who := oprun.Claimer{Worker: uuid.New(), Stream: "JOBS", AckWait: 30 * time.Second}
	for batch := range batches {
		answers, err := a.ledger.Claim(ctx, who, batch)
		if err != nil {
			return err
		}
		results := make([]oprun.Result, len(batch))
		for i, answer := range answers {
			if answer.Verdict != dedupe.Execute {
				return fmt.Errorf("verdict %s", answer.Verdict)
			}
			results[i] = oprun.Result{
				Hold:    oprun.Hold{RunID: batch[i].RunID, Token: batch[i].Token, Attempt: 1},
				Outcome: oprun.Succeeded, Ended: oprun.AttemptSucceeded,
			}
		}
		taken, err := a.ledger.Finish(ctx, results)
		if err != nil || len(taken) != len(results) {
			return fmt.Errorf("finished %d of %d: %w", len(taken), len(results), err)
		}
	}
	return nil
}
