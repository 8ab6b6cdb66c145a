package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/bits"
	"os"
	"runtime"
	"strings"
	"sync/atomic"

	"github.com/nats-io/nats.go"

	"oprun.example/pkg/catalog"
	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/jobs"
)

const (
	soakName    = "soak"
	soakParts   = 2 // a worker and a publisher
	soakSubject = "bench.soak"
	soakTwice   = "jobs were handled more than once"
	soakNever   = "jobs were never handled"
)

// soaker is what the soak's worker knows of its jobs.
type soaker struct {
	*watch
	seen    []atomic.Uint64 // a bit for each job
	handled atomic.Int64
	twice   atomic.Int64
	count   *countdown
}

func newBits(n int) []atomic.Uint64 { return make([]atomic.Uint64, n/64+1) }

// handle notes a job, and that its handler started now.
func (k *soaker) handle(_ context.Context, job *oprunJob) error {
	defer k.handled.Add(1)
	if bit := uint64(1) << (job.Args.N % 64); k.seen[job.Args.N/64].Or(bit)&bit != 0 {
		k.twice.Add(1)
	} else {
		defer k.count.handled()
	}
	return k.starts(job.Args)
}

// never counts the jobs that were not handled.
func (k *soaker) never(jobs int) int {
	for i := range k.seen {
		jobs -= bits.OnesCount64(k.seen[i].Load())
	}
	return jobs
}

// soakWork runs a worker that forgets soon, until all jobs were handled.
func soakWork(ctx context.Context, s *stage) (func() error, error) {
	_, ledger, js, err := s.oprun(ctx, 4)
	if err != nil {
		return nil, err
	}
	cat, err := catalog.New(catalog.Catalog{
		Jobs:      map[string]catalog.Job{jobType: {ScopeKind: dedupe.TenantScope, Identity: identityFields}},
		Schedules: map[string]catalog.Schedule{catalog.DeleteExpiredRuns: {Type: catalog.DeleteExpiredRuns, Cron: soakDeletes}},
	}, nil)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(ctx)
	k := &soaker{watch: s.watch(), seen: newBits(s.Jobs), count: countTo(s.Jobs, stop)}
	mux := &jobs.Mux{}
	jobs.Handle(mux, jobType, k.handle)
	worker, err := jobs.NewWorker(js, ledger, cat, mux, jobs.Config{Logger: slog.New(slog.DiscardHandler), Retention: soakRetention})
	if err != nil {
		stop()
		return nil, err
	}
	if _, err := js.Conn().Subscribe(soakSubject, k.answer); err != nil {
		stop()
		return nil, err
	}
	return func() error {
		defer stop()
		err := worker.Run(ctx)
		s.figures[soakTwice], s.figures[soakNever] = float64(k.twice.Load()), float64(k.never(s.Jobs))
		return err
	}, nil
}

// answer says how the worker is.
func (k *soaker) answer(msg *nats.Msg) {
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	waits := k.waits.take(0.5, 0.99)
	state := soakState{Handled: k.handled.Load(), P50: waits[0], P99: waits[1], Heap: float64(memory.HeapAlloc) / (1 << 20)}
	state.RSS, _ = residentMB() // 0 says that it is not known
	if text, err := json.Marshal(state); err == nil {
		_ = msg.Respond(text) // whoever asked asks again
	}
}

// residentMB is the memory that this process has now.
func residentMB() (float64, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	var kilobytes float64
	_, err = fmt.Sscan(rest, &kilobytes)
	return kilobytes / 1024, err
}
