package torture

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"oprun.example/pkg/events"
	"oprun.example/pkg/jobs"
	"oprun.example/pkg/oprun"
)

// Worker is a consumer process of the torture: it works on both streams until the context ends, and tells its counters
// on out as it goes.
func Worker(ctx context.Context, out io.Writer, log *slog.Logger) error {
	ctx = withParent(ctx)
	conn, err := connect(os.Getenv("NATS_URL"))
	if err != nil {
		return err
	}
	defer conn.Close()
	var registries prometheus.Gatherers
	var workers []*jobs.Worker
	for _, topology := range topologies() {
		ledger, closeLedger, err := openLedger(ctx, os.Getenv(databaseEnv(topology)))
		if err != nil {
			return err
		}
		defer closeLedger()
		registry := prometheus.NewRegistry()
		worker, err := newWorker(conn, ledger, topology, registry, log)
		if err != nil {
			return err
		}
		registries, workers = append(registries, registry), append(workers, worker)
	}
	stopTelling := tell(registries, json.NewEncoder(out))
	defer stopTelling()
	return runAll(ctx, workers)
}

func openLedger(ctx context.Context, url string) (*oprun.Ledger, func(), error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, nil, err
	}
	config.MaxConns = 8
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, nil, err
	}
	ledger, err := oprun.Open(ctx, pool)
	if err != nil {
		pool.Close()
		return nil, nil, err
	}
	return ledger, func() { ledger.Close(); pool.Close() }, nil
}

// connect returns a connection that never gives up, and does not complain.
func connect(url string) (*nats.Conn, error) {
	return nats.Connect(url, nats.MaxReconnects(-1), nats.ReconnectWait(100*time.Millisecond), nats.PingInterval(2*time.Second),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
}

func newWorker(conn *nats.Conn, ledger *oprun.Ledger, topology events.Topology, registry *prometheus.Registry, log *slog.Logger) (*jobs.Worker, error) {
	js, err := jetstream.New(conn)
	if err != nil {
		return nil, err
	}
	cat, err := newCatalog()
	if err != nil {
		return nil, err
	}
	mux := &jobs.Mux{}
	for _, k := range kinds() {
		jobs.Handle(mux, k.jobType, k.handle)
	}
	return jobs.NewWorker(js, ledger, cat, mux, jobs.Config{
		Stream: topology.Stream, Consumer: topology.Consumer, Subjects: topology.Subjects,
		Concurrency: 256, DrainTimeout: 5 * time.Second, Registry: registry, Logger: log,
	})
}

// runAll runs the workers until the context ends or one of them does.
func runAll(ctx context.Context, workers []*jobs.Worker) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	errs := make([]error, len(workers))
	var running sync.WaitGroup
	for i, worker := range workers {
		running.Go(func() {
			defer stop()
			errs[i] = worker.Run(ctx)
		})
	}
	running.Wait()
	return errors.Join(errs...)
}

// tell writes this process's ended runs by "type outcome", ten times a second and once at the end.
func tell(registries prometheus.Gatherers, out *json.Encoder) (stop func()) {
	stopped := make(chan struct{})
	var told sync.WaitGroup
	told.Go(func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for open := true; open; {
			select {
			case <-tick.C:
			case <-stopped:
				open = false
			}
			counts, err := endedRuns(registries)
			if errors.Join(err, out.Encode(counts)) != nil {
				return
			}
		}
	})
	return func() {
		close(stopped)
		told.Wait()
	}
}

// endedRuns reads the workers' counters of ended runs. The registries hold the same families, one for each worker, so
// they are read one by one.
func endedRuns(registries prometheus.Gatherers) (map[string]int, error) {
	counts := map[string]int{}
	for _, registry := range registries {
		families, err := registry.Gather()
		if err != nil {
			return nil, err
		}
		for _, family := range families {
			if family.GetName() != "oprun_runs_total" {
				continue
			}
			for _, metric := range family.GetMetric() {
				if n := int(metric.GetCounter().GetValue()); n > 0 {
					labels := metric.GetLabel() // sorted by name: job_type, outcome
					counts[labels[0].GetValue()+" "+labels[1].GetValue()] += n
				}
			}
		}
	}
	return counts, nil
}
