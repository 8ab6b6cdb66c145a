package jobstest

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"oprun.example/internal/rig"
	"oprun.example/pkg/jobs"
	"oprun.example/pkg/oprun"
)

// process is a worker with connections of its own, as good as a process of its own.
type process struct {
	bench  *Bench
	line   *line
	pool   *pgxpool.Pool
	ledger *oprun.Ledger
	conn   *nats.Conn
	worker *jobs.Worker
	cancel context.CancelFunc
	ended  chan struct{} // closed when its Run has returned
	err    error         // of Run; read it when ended is closed
	runs   bool          // Run was called
	trap   *trap         // nil: none
	over   sync.Once
}

// trap stops a worker where its attempt comes to a point. Such a worker takes one message and no more.
type trap struct {
	point  rig.Point
	onHit  func(*process) // by the attempt's goroutine, when it is there
	once   sync.Once
	sprung chan struct{} // closed when it is there
	open   chan struct{} // closed when it may go on
	dead   bool          // or when it never will: written before open is closed
}

func newTrap(point rig.Point, onHit func(*process)) *trap {
	return &trap{point: point, onHit: onHit, sprung: make(chan struct{}), open: make(chan struct{})}
}

// errDead is why a worker does no more for an attempt.
var errDead = errors.New("jobstest: the worker has crashed")

// pass keeps who comes by the trap's point until it opens, and everyone when the worker is dead.
func (t *trap) pass(p *process, point rig.Point) error {
	if point == t.point {
		t.once.Do(func() {
			t.onHit(p)
			close(t.sprung)
		})
		<-t.open
	}
	select {
	case <-t.open:
		if t.dead {
			return errDead
		}
	default:
	}
	return nil
}

// release lets what waits go on, or die.
func (t *trap) release(dead bool) {
	select {
	case <-t.open:
	default:
		t.dead = dead
		close(t.open)
	}
}

// start runs a worker for one type, until it is stopped or the test ends.
func (b *Bench) start(jobType string, trap *trap) *process {
	b.t.Helper()
	p := b.newProcess(jobType)
	p.run(trap)
	return p
}

func (p *process) run(trap *trap) {
	p.trap, p.runs = trap, true
	var ctx context.Context
	ctx, p.cancel = context.WithCancel(rig.With(context.Background(), &rig.Rig{At: p.at, Judged: p.bench.noteJudged, Relays: p.bench.mayRelay}))
	go func() {
		defer close(p.ended)
		p.err = p.worker.Run(ctx)
	}()
}

// newProcess connects a worker that does not run yet.
func (b *Bench) newProcess(jobType string) *process {
	b.t.Helper()
	p := &process{bench: b, line: newLine(), ended: make(chan struct{}), cancel: func() {}}
	topology := b.consumerFor(jobType)
	config := b.Pool.Config()
	config.MinConns, config.MinIdleConns = 0, 0
	config.ConnConfig.DialFunc = p.line.toPostgres(config.ConnConfig.DialFunc)
	var err error
	p.pool, err = pgxpool.NewWithConfig(b.ctx, config)
	b.check("connect a worker to the database", err)
	b.processes = append(b.processes, p)
	b.t.Cleanup(func() {
		b.letGo() // of all, since one may wait for what another has locked
		p.close()
	})
	p.ledger, err = oprun.Open(b.ctx, p.pool)
	b.check("open a worker's ledger", err)
	p.conn, err = p.line.toNATS(b.Conn.Opts).Connect()
	b.check("connect a worker to NATS", err)
	js, err := jetstream.New(p.conn)
	b.check("connect a worker to JetStream", err)
	p.worker, err = jobs.NewWorker(js, p.ledger, b.catalog, b.mux, jobs.Config{
		Stream: topology.Stream, Consumer: topology.Consumer, Subjects: b.Subjects, Types: []string{jobType},
		Concurrency: 1, Poll: 20 * time.Millisecond, DrainTimeout: b.config.Patience,
		Workspace: workspace, NoSchedules: true, AuditEvery: -1, Logger: slog.New(mortal{b.config.Logger.Handler(), p.line}),
	})
	b.check("make a worker", err)
	return p
}

// at is where the worker's attempts come by.
func (p *process) at(point rig.Point, run uuid.UUID, _ int) error {
	if p.trap != nil {
		p.cancel() // it has its one message
		if err := p.trap.pass(p, point); err != nil {
			return err
		}
	}
	if point == rig.BeforeHandler {
		p.bench.noteBegun(run)
	}
	return nil
}

// stop asks the worker to stop, and returns when it has.
func (p *process) stop() {
	p.cancel()
	<-p.ended
}

// letGo lets all attempts that stand still die.
func (b *Bench) letGo() {
	for _, p := range b.processes {
		if p.trap != nil {
			p.trap.release(true)
		}
		p.line.flow()
	}
}

// close ends the worker, which must not stand still, and its connections.
func (p *process) close() {
	p.over.Do(func() {
		p.cancel()
		if p.runs {
			<-p.ended
		}
		if p.conn != nil {
			p.conn.Close()
		}
		if p.ledger != nil {
			p.ledger.Close()
		}
		p.pool.Close()
	})
}
