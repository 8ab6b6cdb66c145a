package jobs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"oprun.example/internal/rig"
	"oprun.example/pkg/catalog"
	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
	"oprun.example/pkg/oprun"
)

// jobSpec is what the worker knows of a job type.
type jobSpec struct {
	job      catalog.Job
	rule     dedupe.Rule
	handler  *handler
	metrics  *typeMetrics
	template string   // of the subjects of its jobs
	builtin  bool     // the worker itself handles it
	rig      *rig.Rig // of a worker on a bench; nil: none
}

// follows tells whether a duplicate waits behind an owner that is running.
func (s *jobSpec) follows() bool { return s.job.OnDuplicate == catalog.FollowUp }

// Worker runs the jobs of one durable consumer. Make it with NewWorker, and Run it once.
type Worker struct {
	config    Config
	js        jetstream.JetStream
	ledger    *oprun.Ledger
	codec     events.Codec
	specs     map[string]*jobSpec
	schedules map[string]catalog.Schedule // of these types
	unknown   *jobSpec                    // stands for types that are not in the catalogue
	metrics   *metrics
	tracing   *tracing // nil: none
	log       *slog.Logger
	claimer   oprun.Claimer
	beat      time.Duration // between heartbeats
	ackWait   time.Duration // the consumer's
	epoch     time.Time
	announcer *announcer
	rig       *rig.Rig // of a bench (pkg/jobs/jobstest); nil: none

	slots    *slots
	hands    *hands
	arrivals chan *delivery  // from the pullers; closed when all have stopped
	effects  chan *attempt   // from the attempts: those that have queued statements; closed when all have ended
	done     chan *attempt   // from the attempts and the effects' lane; closed when both have ended
	results  chan []*attempt // batches of them, from the gatherer; closed when it has ended
	running  sync.WaitGroup  // attempts
	away     atomic.Bool     // the ledger did not answer when it was last asked

	phases
}

// phases are the states of a running worker, which all its stages look at; Run sets them before any stage starts.
//
//nolint:containedctx // they are states of the worker, not arguments of a call
type phases struct {
	stopping context.Context // ends when the worker is asked to stop
	lifetime context.Context // the ledger's: ends when everything is handed in, or nobody took it for too long
	settling context.Context // ends when statements that jobs have queued were in the ledger's hands for long enough
	handling context.Context // the handlers': has the values of Run's context and never ends, each attempt's own does
}

// NewWorker returns a worker for the catalogue's types, with the handlers of the mux. The error names the types that
// have no handler or that use what this worker does not run.
func NewWorker(js jetstream.JetStream, ledger *oprun.Ledger, cat *catalog.Catalog, mux *Mux, config Config) (*Worker, error) {
	config = config.withDefaults()
	w := &Worker{
		config: config, js: js, ledger: ledger, log: config.Logger, epoch: time.Now(), tracing: newTracing(config),
		codec: events.Codec{Subjects: config.Subjects, Alias: cat.Alias},
		specs: make(map[string]*jobSpec, len(cat.Jobs)),
		slots: newSlots(config.Concurrency),
		hands: newHands(),
		// As many as hold slots fit in. An attempt gives its slot back when it is in: more wait, with their slots, for who reads.
		arrivals: make(chan *delivery, config.Concurrency),
		effects:  make(chan *attempt, config.Concurrency),
		done:     make(chan *attempt, config.Concurrency),
		results:  make(chan []*attempt), // without a buffer: a batch grows until a lane takes it
	}
	if err := w.addSpecs(cat, mux); err != nil {
		return nil, err
	}
	w.schedules = w.schedulesOf(cat)
	w.announcer = newAnnouncer(js, config.Subjects, config.NoEvents)
	return w, nil
}

// addSpecs joins catalogue, handlers and metrics.
func (w *Worker) addSpecs(cat *catalog.Catalog, mux *Mux) error {
	types := w.config.Types
	if len(types) == 0 {
		types = slices.Sorted(maps.Keys(cat.Jobs))
	}
	builtin, err := w.builtins(cat, mux)
	if err != nil {
		return err
	}
	var missing []string
	for _, jobType := range types {
		job, declared := cat.Jobs[jobType]
		if !declared {
			return fmt.Errorf("the catalogue declares no job type %s", jobType)
		}
		handler := cmp.Or(builtin[jobType], mux.handlers[jobType])
		if handler == nil {
			missing = append(missing, jobType)
			continue
		}
		w.specs[jobType] = &jobSpec{
			job: job, rule: job.Rule(), handler: handler, builtin: builtin[jobType] != nil,
			template: w.config.Subjects.Template(job.ScopeKind, jobType),
		}
	}
	if len(missing) > 0 {
		slices.Sort(missing)
		return fmt.Errorf("no handler for %s: add one, or name the types to run", strings.Join(missing, ", "))
	}
	if len(w.config.Types) == 0 && len(w.specs) == len(builtin) {
		return errors.New("there is no job type to run: the catalogue is empty")
	}
	return w.addMetrics(slices.Sorted(maps.Keys(cat.Jobs)))
}

// addMetrics comes last: the registry is the caller's, and keeps what a worker that is refused would leave there. It has the
// series of all types of the catalogue: a worker of some sees what becomes of others' runs, too.
func (w *Worker) addMetrics(types []string) (err error) {
	if w.metrics, err = newMetrics(w.config.Registry, types, w.slots); err != nil {
		return err
	}
	w.unknown = &jobSpec{metrics: w.metrics.types[unknownType]}
	for jobType, spec := range w.specs {
		spec.metrics = w.metrics.types[jobType]
	}
	return register(w.config.Registry, newLedgerGauges(w.ledger, types, w.log), newStreamGauges(w), newPoolGauges(w.ledger.PoolStat))
}

// Run works until the context ends, and then drains: it pulls no more, gives back at once what it has not started,
// and waits for running handlers, whose contexts end after DrainTimeout with the cause ErrShutdown. It returns when
// all its goroutines are gone: nil after an asked-for stop, an error when the stream or its consumer is missing or
// of the wrong make, or the connection was closed.
func (w *Worker) Run(ctx context.Context) error {
	if done, err := w.mount(ctx); done {
		return err
	}
	if err := w.bind(ctx); err != nil {
		return err
	}
	stopping, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	w.handling = context.WithoutCancel(ctx)
	lifetime, end := context.WithCancel(w.handling)
	defer end()
	settling, abandon := context.WithCancel(lifetime)
	defer abandon()
	w.stopping, w.settling, w.lifetime = stopping, settling, lifetime
	defer w.announcer.listen()()

	var intake, claims, finishes, upkeep sync.WaitGroup
	effects := make(chan struct{}) // closed when their lane has ended
	w.pull(&intake, stop)
	for range lanes {
		claims.Go(w.claimLoop)
		finishes.Go(w.finishLoop)
	}
	go func() {
		defer close(effects)
		w.effectsLoop()
	}()
	finishes.Go(w.gatherLoop)
	upkeep.Go(func() { w.beatLoop(lifetime) })
	upkeep.Go(func() { w.leaseLoop(lifetime) })
	upkeep.Go(func() { w.stopLate(stopping, lifetime) })
	intake.Go(func() { w.relayLoop(stopping) })
	intake.Go(func() { w.sweepLoop(stopping) })
	intake.Go(func() { w.scheduleLoop(stopping) })
	intake.Go(func() { w.watchLoop(stopping) })
	w.log.Info("worker started", "worker", w.config.Worker.String(), "types", len(w.specs), "concurrency", w.config.Concurrency)

	// Each stage ends when the one before it has: nothing is closed under a writer.
	intake.Wait()
	close(w.arrivals)
	claims.Wait()
	w.drain(effects, abandon)
	close(w.done)
	words := lastWords
	if settling.Err() != nil {
		words /= 10 // the ledger has had them
	}
	giveUp := time.AfterFunc(words, end) // a ledger that is away: the leases will tell
	defer giveUp.Stop()
	finishes.Wait()
	end()
	upkeep.Wait()
	w.flush()
	return stopCause(ctx, stopping)
}

// lastWords is how long a stopping worker goes on trying to hand in the last results.
const lastWords = 10 * time.Second

// lanes is how many claims, and how many completions, may be in flight at once. More of them gain nothing, neither under
// load nor at a thousand jobs a second (docs/performance.md).
const lanes = 2

// pullers is how many pulls may be open at once: while some wait for the broker, the messages of others are judged.
const pullers = 4

// stopCause tells why a worker stopped by itself, nil when it was asked to.
func stopCause(asked, stopping context.Context) error {
	if asked.Err() == nil {
		return context.Cause(stopping)
	}
	return nil
}

// pull starts the pullers; one that fails stops the worker.
func (w *Worker) pull(intake *sync.WaitGroup, stop context.CancelCauseFunc) {
	p := &puller{
		conn: w.js.Conn(), slots: w.slots, log: w.log, pause: w.away.Load,
		subject: events.APISubject(w.js, "CONSUMER.MSG.NEXT."+w.config.Stream+"."+w.config.Consumer),
		take: func(msg *nats.Msg) {
			d := &delivery{msg: msg, arrived: time.Now()}
			w.hands.arrived(d)
			w.arrivals <- d
		},
	}
	for range pullers {
		intake.Go(func() {
			if err := p.run(w.stopping); err != nil {
				stop(err)
			}
		})
	}
}

// stopLate stops what still runs when the time of a worker that is asked to stop is over. What is claimed after that is
// given back and does not begin.
func (w *Worker) stopLate(stopping, lifetime context.Context) {
	select {
	case <-stopping.Done():
	case <-lifetime.Done():
		return
	}
	timer := time.NewTimer(w.config.DrainTimeout)
	defer timer.Stop()
	select {
	case <-timer.C:
		for _, a := range w.hands.attempts() {
			a.stop(ErrShutdown)
		}
	case <-lifetime.Done():
	}
}

// drain waits for the running attempts, and for the statements that they have queued. Those end by themselves, also the
// blocked ones, which stopLate stops, unless the ledger is away.
func (w *Worker) drain(effects <-chan struct{}, abandon func()) {
	w.running.Wait()
	close(w.effects)
	look := time.NewTicker(lastWords)
	defer look.Stop()
	for {
		select {
		case <-effects:
			return
		case <-look.C:
			if w.away.Load() {
				abandon()
			}
		}
	}
}

// flush sees the last acknowledgements off. A broker that is away costs redeliveries, which the ledger answers.
func (w *Worker) flush() {
	const patience = 2 * time.Second
	if err := w.js.Conn().FlushTimeout(patience); err != nil {
		w.log.Warn("last acknowledgements not flushed", "error", err)
	}
}
