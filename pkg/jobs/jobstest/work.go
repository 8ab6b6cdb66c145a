package jobstest

import (
	"fmt"
	"slices"

	"github.com/google/uuid"

	"oprun.example/internal/rig"
	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/oprun"
)

// work is what a test has asked the bench's workers for.
type work struct {
	request     request
	run         uuid.UUID          // that the job makes, unless another stands for it
	seqs        []uint64           // where its messages are
	known       map[uuid.UUID]bool // runs that were there before
	maxAttempts int                // as declared: more means that the run was put off
	before      int                // answers that are of no interest any more
	expected    int                // answers at least
	hurried     int                // attempts after which the run was made due
	nudged      int                // deliveries that were told to come again
}

// again is the same job, asked for with another message.
func (w *work) again(seq uint64) *work {
	again := *w
	again.seqs = []uint64{seq}
	return &again
}

// startTrapped starts a worker, and returns when its attempt is in the trap.
func (b *Bench) startTrapped(w *work, trap *trap) *process {
	b.t.Helper()
	p := b.start(w.request.jobType, trap)
	b.eventually(func() bool {
		select {
		case <-trap.sprung:
			return true
		case <-p.ended:
			b.t.Fatalf("jobstest: the worker has ended by itself: %v", p.err)
		default:
		}
		b.wantExecute(w, trap.point)
		return false
	}, func() string { return fmt.Sprintf("the job to come to %s\n%s", trap.point, b.read(w)) })
	return p
}

// wantExecute ends the test when the job does not run.
func (b *Bench) wantExecute(w *work, point rig.Point) {
	b.t.Helper()
	for _, answer := range b.answers(w.run, w.seqs) {
		if answer.Verdict != dedupe.Execute && answer.Verdict != dedupe.Busy {
			run := b.read(w)
			b.t.Fatalf("jobstest: %s never came to %s: its delivery was answered with %s\n%s", run.name(), point, answer.Verdict, run)
		}
	}
}

// await returns when the job is done with: nothing of it is left to do, and all its messages are acknowledged.
func (b *Bench) await(w *work, p *process) {
	b.t.Helper()
	b.eventually(func() bool {
		select {
		case <-p.ended:
			b.t.Fatalf("jobstest: the worker has ended by itself: %v", p.err)
		default:
		}
		return b.settled(w) && b.acknowledged(w.request.jobType)
	}, func() string { return "the job to be done with\n" + b.read(w).String() })
}

// settled reports whether each delivery has its answer, and the run has ended, or was put off. It lets time pass for what
// waits.
func (b *Bench) settled(w *work) bool {
	b.t.Helper()
	answers := b.answers(w.run, w.seqs)
	row, found := b.row(w.run)
	running := len(w.seqs) == 0
	if len(answers) < w.expected {
		return false
	}
	for _, seq := range w.seqs {
		last := lastOf(answers, seq)
		switch last.Verdict {
		case 0:
			return false
		case dedupe.Execute:
			running = true
		case dedupe.NotDue: // it is to be tried again, and an earlier delivery of it was not acknowledged
			running = running || row.Attempt > 0
		case dedupe.Busy:
			return b.nudge(w, last, found && row.CompletedAt != nil)
		default:
		}
	}
	if !running || found && row.CompletedAt != nil {
		return true
	}
	if !found || row.Status != "queued" || len(answers) == w.before {
		return false
	}
	if row.MaxAttempts > w.maxAttempts {
		return true
	}
	if row.Attempt > w.hurried {
		w.hurried = row.Attempt
		b.letRelay(w.run)
		b.exec("have the run due", makeDueSQL, w.run)
	}
	return false
}

// nudge has a delivery come again that was to come back later, when there is an answer to it.
func (b *Bench) nudge(w *work, busy rig.Judged, ended bool) bool {
	b.t.Helper()
	if n := len(b.answers(w.run, w.seqs)); ended && n > w.nudged {
		w.nudged = n
		b.redeliver(busy.Reply)
	}
	return false
}

func lastOf(answers []rig.Judged, seq uint64) (last rig.Judged) {
	for _, a := range answers {
		if a.Seq == seq {
			last = a
		}
	}
	return last
}

// acknowledged reports whether the consumer of a type has nothing left, but for what is held.
func (b *Bench) acknowledged(jobType string) bool {
	b.t.Helper()
	consumer, err := b.js.Consumer(b.ctx, b.topology.Stream, b.topology.For(jobType).Consumer)
	b.check("look at the consumer", err)
	info := consumer.CachedInfo()
	return info.NumPending == 0 && info.NumAckPending <= b.held[jobType]
}

// read returns what has become of the job so far.
func (b *Bench) read(w *work) *Run {
	b.t.Helper()
	r := &Run{t: b.t, ID: w.run, Type: w.request.jobType, Outcome: oprun.Pending, message: w.seqs, request: w.request}
	answers := b.answers(w.run, w.seqs)
	for _, a := range answers[min(w.before, len(answers)):] {
		r.Verdicts = append(r.Verdicts, a.Verdict)
		if a.Verdict == dedupe.Rejected {
			r.details += b.deadLetter(a.Seq)
		}
		r.ID = a.RunID
	}
	r.Handled = b.handled(r.ID)
	runs, err := b.runs(b.ctx, b.Pool)
	b.check("read the runs", err)
	r.Dispatched = slices.DeleteFunc(runs, func(d Dispatched) bool { return w.known[d.ID] || d.ID == r.ID })
	if row, found := b.row(r.ID); found {
		r.Outcome, r.Counts, r.Failures = row.Outcome, row.SummaryCounts, row.FailureSummary
		b.readAttempts(r, row)
	}
	return r
}

// readAttempts tells of the attempts: the ledger has no row of one that succeeds first time.
func (b *Bench) readAttempts(r *Run, row oprun.Run) {
	b.t.Helper()
	attempts, err := b.Ledger.Attempts(b.ctx, r.ID)
	b.check("read the attempts", err)
	for _, a := range attempts {
		r.Attempts = append(r.Attempts, a.Result)
		if a.Error != "" {
			r.details += fmt.Sprintf("\n\tattempt %d %s: %s", a.Attempt, a.Result, a.Error)
		}
	}
	succeeded := row.Outcome == oprun.Succeeded || row.Outcome == oprun.PartiallySucceeded
	if succeeded && len(attempts) == 0 {
		r.Attempts = append(r.Attempts, oprun.AttemptSucceeded)
	}
}

// deadLetter tells why a message can never run.
func (b *Bench) deadLetter(seq uint64) string {
	b.t.Helper()
	var reason, detail string
	b.check("read the dead letter", b.Pool.QueryRow(b.ctx, deadLetterSQL, b.topology.Stream, int64(seq)).Scan(&reason, &detail))
	return fmt.Sprintf("\n\trejected: %s: %s", reason, detail)
}
