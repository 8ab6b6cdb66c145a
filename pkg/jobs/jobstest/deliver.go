package jobstest

import (
	"encoding/json"
	"reflect"
	"slices"
	"time"

	"github.com/google/uuid"

	"oprun.example/internal/rig"
	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
	"oprun.example/pkg/oprun"
)

// Point is a place in the life of an attempt where a bench can stop its worker.
type Point = rig.Point

// The points, in the order in which an attempt comes by them.
const (
	BeforeHandler = rig.BeforeHandler // it is claimed, and the handler has not begun
	BeforeCommit  = rig.BeforeCommit  // the handler has done its work; the effects and the end of the run are not committed
	BeforeAck     = rig.BeforeAck     // they are, and the message is not acknowledged
)

// request is one job as it is asked for, and can be asked for again.
type request struct {
	jobType string
	scope   dedupe.Scope
	input   []byte
	id      string
}

// Run has a job published, and a worker run it to its end, with its retries. Args is the input: a value that encodes to a
// JSON object, a json.RawMessage or []byte that is one, or nil for {}. Jobs that the handler dispatches wait, and so does a
// job that is put off with jobs.Snooze: see [Bench.Continue].
func (b *Bench) Run(jobType string, args any) *Run {
	b.t.Helper()
	w := b.ask(jobType, args)
	b.workOff(w)
	return b.read(w)
}

// Continue has a worker run what waits in the ledger: a job that a handler or the test has dispatched, or one that was put
// off. It waits no longer for its time.
func (b *Bench) Continue(run uuid.UUID) *Run {
	b.t.Helper()
	row, ok := b.row(run)
	if !ok {
		b.t.Fatalf("jobstest: the ledger has no run %s", run)
	}
	w := &work{request: request{jobType: row.Type, scope: row.Scope()}, run: run, known: b.known(), maxAttempts: row.MaxAttempts}
	w.before = len(b.answers(run, nil))
	b.letRelay(run)
	b.exec("have the run due", makeDueSQL, run)
	b.workOff(w)
	return b.read(w)
}

// workOff has one worker do all there is to do.
func (b *Bench) workOff(w *work) {
	b.t.Helper()
	p := b.start(w.request.jobType, nil)
	b.await(w, p)
	p.stop()
}

// Redeliver has the run's message come again, as from a producer that asks twice, and fails the test when that changes
// anything: nothing runs, and the ledger has the same. The run then has the new verdict. It may not be a rehearsal.
func (b *Bench) Redeliver(run *Run) {
	b.t.Helper()
	if len(run.message) == 0 {
		b.t.Fatalf("jobstest: %s had no message that could come again: it was not run by Run, Overlap, Crash or Freeze", run.name())
	}
	before, _ := b.row(run.ID)
	handled := b.handled(run.ID)
	w := (&work{request: run.request, run: run.ID, known: b.known(), maxAttempts: before.MaxAttempts}).again(b.publish(run.request))
	b.workOff(w)
	after, _ := b.row(run.ID)
	w.seqs = append(run.message, w.seqs...)
	again := b.read(w)
	if b.handled(run.ID) > handled {
		b.t.Errorf("jobstest: the message of %s came again, and its handler was called once more\n%s", run.name(), again)
	} else if !reflect.DeepEqual(before, after) {
		b.t.Errorf("jobstest: the message of %s came again, and changed the run\n%s\nbefore that it was\n%s", run.name(), again, run)
	}
	again.Dispatched = append(run.Dispatched, again.Dispatched...)
	*run = *again
}

// Overlap is Run of a job whose message comes again while the handler's work is done and not committed, and once more after
// the end. It fails the test when the handler was called twice.
func (b *Bench) Overlap(jobType string, args any) *Run {
	b.t.Helper()
	w := b.ask(jobType, args)
	b.hold(w, BeforeCommit, func() {
		second := w.again(b.publish(w.request))
		p := b.start(jobType, nil)
		b.eventually(func() bool { return len(b.answers(uuid.Nil, second.seqs)) > 0 }, func() string {
			return "the second delivery to be judged\n" + b.read(second).String()
		})
		p.stop()
		w.seqs = append(w.seqs, second.seqs...)
	})
	run := b.read(w)
	if run.Handled > 1 {
		b.t.Errorf("jobstest: the message of %s came again while it ran, and its handler was called %s\n%s", run.name(), times(run.Handled), run)
	}
	b.Redeliver(run)
	return run
}

// Hold is Run of a job whose worker is held at the point while f runs, and then goes on as if nothing had happened. In f the
// test sees what becomes of others meanwhile, of a second request for the same job, say. Leases do not end.
func (b *Bench) Hold(point Point, jobType string, args any, f func()) *Run {
	b.t.Helper()
	w := b.ask(jobType, args)
	b.hold(w, point, f)
	return b.read(w)
}

func (b *Bench) hold(w *work, point Point, f func()) {
	b.t.Helper()
	first := b.startTrapped(w, newTrap(point, func(*process) {}))
	before := b.known()
	b.held[w.request.jobType]++
	f()
	b.held[w.request.jobType]--
	for id := range b.known() { // what f has asked for was not asked for by the handler
		w.known[id] = w.known[id] || !before[id]
	}
	first.trap.release(false)
	<-first.ended
	b.workOff(w)
}

// Crash has the worker of a job die at the point: its connections are cut, and what it was doing stands still until the
// end of the test. When the lease and the time for the acknowledgement are over, which takes no time on a bench, another
// worker recovers the job. The run is what has become of it then.
func (b *Bench) Crash(point Point, jobType string, args any) *Run {
	b.t.Helper()
	w := b.ask(jobType, args)
	first := b.startTrapped(w, newTrap(point, func(p *process) { p.line.sever() }))
	first.conn.Close()
	b.takeAway(w)
	b.workOff(w)
	return b.read(w)
}

// Freeze has the worker of a job stand still at the point, as when its machine is suspended, until its lease has ended and
// another worker has taken the job over; then it goes on as if nothing had happened, and its result has to be refused. The
// test fails when it is not. The point is one before the commit: after it there is nothing left to refuse.
//
// What a frozen worker has locked stays locked meanwhile. A successor that waits for such a lock goes on when the frozen one
// has woken up, which is at once then.
func (b *Bench) Freeze(point Point, jobType string, args any) *Run {
	b.t.Helper()
	if point == BeforeAck {
		b.t.Fatalf("jobstest: a worker that freezes after its commit has done all there is to do: freeze it %s or %s, or let it crash", BeforeHandler, BeforeCommit)
	}
	w := b.ask(jobType, args)
	first := b.startTrapped(w, newTrap(point, func(p *process) { p.line.hold() }))
	b.takeAway(w)
	second := b.start(jobType, nil)
	b.eventually(func() bool { return b.takenOver(w) }, func() string {
		return "another worker to take over " + b.read(w).name() + "\n" + b.read(w).String()
	})
	first.line.flow()
	first.trap.release(false)
	<-first.ended
	b.await(w, second)
	second.stop()
	run := b.read(w)
	if !slices.Contains(run.Attempts, oprun.AttemptFenced) {
		b.t.Errorf("jobstest: the frozen attempt of %s was not refused\n%s", run.name(), run)
	}
	return run
}

// takenOver reports whether a second attempt has come as far as it can while the first one stands still.
func (b *Bench) takenOver(w *work) bool {
	b.t.Helper()
	row, _ := b.row(w.run)
	if row.Attempt < 2 || row.Status != "running" {
		return row.Attempt >= 2
	}
	var waiting int
	b.check("look for locks", b.Pool.QueryRow(b.ctx, waitingForLocksSQL).Scan(&waiting))
	return waiting > 0
}

// takeAway ends the time of the worker that has the job in hand.
func (b *Bench) takeAway(w *work) {
	b.t.Helper()
	b.exec("end the lease", endLeaseSQL, w.run)
	answers := b.answers(w.run, w.seqs)
	w.expected = len(answers) + 1
	b.redeliver(answers[len(answers)-1].Reply)
}

// ask publishes a job.
func (b *Bench) ask(jobType string, args any) *work {
	b.t.Helper()
	r := request{jobType: jobType, scope: b.scope(jobType), input: b.encode(args)}
	var err error
	r.id, err = events.NewRequestID()
	b.check("make a request id", err)
	w := &work{
		request: r, run: dedupe.ByRequest(r.id, time.Time{}).RunID(r.scope, jobType), known: b.known(),
		maxAttempts: b.catalog.Jobs[jobType].Retry.MaxAttempts,
	}
	b.consumerFor(jobType)
	w.seqs = []uint64{b.publish(r)}
	return w
}

func (b *Bench) encode(args any) []byte {
	b.t.Helper()
	switch args := args.(type) {
	case nil:
		return []byte("{}")
	case []byte:
		return args
	case json.RawMessage:
		return args
	}
	input, err := json.Marshal(args)
	b.check("encode the input", err)
	return input
}

// publish sends the message of a job, and returns its place.
func (b *Bench) publish(r request) uint64 {
	b.t.Helper()
	ack, err := events.NewPublisher(b.js, events.PublisherConfig{Subjects: b.Subjects}).Publish(b.ctx, events.Request{
		Identity: dedupe.Identity{Scope: r.scope, Type: r.jobType}, Input: r.input, RequestID: r.id, MsgID: uuid.NewString(),
	})
	b.check("publish", err)
	return ack.Seq
}
