package jobs

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"oprun.example/pkg/oprun"
)

// bind looks at the consumer that is to be pulled from, and takes its timing.
func (w *Worker) bind(ctx context.Context) error {
	consumer, err := w.js.Consumer(ctx, w.config.Stream, w.config.Consumer)
	if err != nil {
		return fmt.Errorf("consumer %s of stream %s: %w (`consumer topology apply` makes them)", w.config.Consumer, w.config.Stream, err)
	}
	config := consumer.CachedInfo().Config
	switch {
	case config.AckPolicy != jetstream.AckExplicitPolicy:
		return fmt.Errorf("consumer %s: its ack policy is not explicit", w.config.Consumer)
	case config.MaxDeliver > 0 || len(config.BackOff) > 0:
		return fmt.Errorf("consumer %s: max deliver and backoff must be unset, the ledger counts attempts", w.config.Consumer)
	case config.HeadersOnly:
		return fmt.Errorf("consumer %s delivers headers only", w.config.Consumer)
	case !w.runsAll(config):
		return fmt.Errorf("consumer %s delivers jobs that this worker does not run: its filter must be that of the types %s",
			w.config.Consumer, strings.Join(w.config.Types, ", "))
	}
	if err := w.keepsLongEnough(ctx); err != nil {
		return err
	}
	w.ackWait = config.AckWait
	w.claimer = oprun.Claimer{Worker: w.config.Worker, Stream: w.config.Stream, AckWait: config.AckWait}
	shortest := config.AckWait
	for _, spec := range w.specs {
		shortest = min(shortest, spec.job.Lease)
	}
	w.beat = shortest / 3
	if err := w.checkHome(ctx); err != nil {
		return err
	}
	return w.declare(ctx)
}

// declare tells the ledger what the catalogue says of this worker's types, for its reports.
func (w *Worker) declare(ctx context.Context) error {
	types := make([]oprun.JobType, 0, len(w.specs))
	for name, spec := range w.specs {
		types = append(types, oprun.JobType{
			Type: name, Label: spec.job.Label, StaleQueued: spec.job.StaleAfter.Queued, StaleRunning: spec.job.StaleAfter.Running,
		})
	}
	return w.ledger.DeclareTypes(ctx, types)
}

// runsAll tells whether a worker that runs some types is bound to a consumer for these: from any other it would bury
// the jobs of its colleagues.
func (w *Worker) runsAll(consumer jetstream.ConsumerConfig) bool {
	if len(w.config.Types) == 0 {
		return true
	}
	filters := consumer.FilterSubjects
	if consumer.FilterSubject != "" {
		filters = []string{consumer.FilterSubject}
	}
	own := w.config.Subjects.Filter(w.config.Types...)
	return len(filters) > 0 && !slices.ContainsFunc(filters, func(f string) bool { return !slices.Contains(own, f) })
}
