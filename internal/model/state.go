package model

// The bounds of the search.
const (
	maxRequests = 3
	maxRuns     = 4
	maxMessages = 4
	maxWorkers  = 3
)

// Runs, requests and messages are referred to by their place counted from one, so that zero refers to none.

type status uint8

const (
	absent status = iota
	queued
	running
	succeeded
	failed
	cancelled
)

// due is what due_at says of an active run.
type due uint8

const (
	now       due = iota // due_at <= now()
	backoff              // run_at and due_at are in the future
	published            // look again when nobody has claimed it for a while
	never                // 'infinity': parked
)

type lease uint8

const (
	noLease lease = iota
	live
	ended
)

type payload uint8

const (
	none payload = iota
	own
	foreign // another's: must never be
)

// run is a row of oprun.operation_runs.
type run struct {
	status   status
	hidden   bool // the transaction that made it is open
	followUp bool
	cancel   bool // cancel_requested_at is set
	cooling  bool // cooldown_until is in the future
	due      due
	idUsed   bool // the stream has seen run/<id>/<dispatch_no>
	lease    lease
	token    uint8
	attempt  uint8
	input    payload
	seq      uint8 // origin_seq, where a configuration counts sequences
	by       uint8 // the request whose occurrence made it
	nth      uint8 // the publication of that request which did
	effects  uint8 // that were committed
	counted  uint8 // how often its end was counted
	lost     bool  // it ended as run.message_lost
	spare    bool  // a caller who joined it left its input
	landing  bool  // a COMMIT is at it whose connection is lost: locked, and nobody knows
	hurt     bool  // something has gone wrong with its attempt (where handlers queue their effects)
}

func (r *run) active() bool   { return r.status == queued || r.status == running }
func (r *run) terminal() bool { return r.status >= succeeded }

type entry uint8

const (
	unasked  entry = iota
	open           // in a caller's open transaction
	accepted       // committed, or taken by the stream
	excused        // rolled back, refused, or lost with the stream before any claim
)

// age is where a request's occurrence stands to the retention horizon.
type age uint8

const (
	young age = iota
	old       // below the published floor
	wiped     // what the ledger knew of it is deleted
	early     // deleted before the floor was published (without HorizonFirst)
)

// request is one occurrence, and what became of it.
type request struct {
	entry    entry
	run      uint8 // the run that stands for it
	loose    bool  // served by a run that had begun before, as skip allows
	locks    bool  // its open transaction holds the run FOR SHARE
	stale    bool  // its run was claimed before the request was accepted, and not since
	recorded bool  // a row of oprun.operation_run_deliveries
	created  uint8 // runs made by its occurrence
	acked    bool  // a message of its was acknowledged
	age      age
}

type ledger struct {
	runs      [maxRuns]run
	requests  [maxRequests]request
	suspended bool // the tenant
}

type place uint8

const (
	gone  place = iota
	ready       // waits for a consumer
	out         // delivered, not acknowledged
	kept        // acknowledged, and still in the stream
)

// message is what the stream holds: a producer's (of a request), or the relay's (naming a run). Each publication of a
// request has a place and a body of its own: nth tells them apart.
type message struct {
	place place
	named bool
	key   uint8 // the run when named, else the request
	nth   uint8
	seq   uint8
	tries uint8
}

// stage is where a worker is with a delivery.
type stage uint8

const (
	idle      stage = iota
	delivered       // before claim_new.sql
	inserting       // claim_new.sql has its snapshot
	missed          // before claim_known.sql
	judging         // claim_known.sql has its snapshot
	waiting         // before wait.sql
	parking         // park.sql has seen the tenant suspended
	executing       // the handler runs
	gathered        // it has returned, and its effects wait for their group
	effected        // its effects are committed, its run is not ended (without EffectsWithFinish)
	failing         // the handler has failed; before requeue.sql
	asking          // a COMMIT had no answer; before confirm.sql
	acking          // the ledger has it
	naking
)

// worker is one slot of a worker process.
type worker struct {
	stage   stage
	message uint8 // none: the stream has lost it meanwhile
	named   bool
	key     uint8
	nth     uint8
	seq     uint8
	run     uint8 // the one it executes
	token   uint8
	attempt uint8
	lapsed  bool // its lease has ended
	taken   bool // its attempt is recorded as abandoned
	bad     bool // one of the statements that its handler queued fails
	late    bool // delivered after its request was recorded as a joiner
	active  bool // the snapshot has the tenant active
	below   bool // the snapshot has the occurrence below the floor
	seen    bool // the snapshot has the delivery recorded
	sure    bool // the snapshot has the run free to take (without ClaimRechecks)
}

// relay is a relay between what it read or did and its record.
type relay struct {
	run   uint8
	stale bool // dispatch_no has moved on since it was read
	lost  bool // it has found no message in the run's place
	waits bool // it has found the run's last message waiting in the stream
}

// state is everything. It is a value: steps copy it.
type state struct {
	ledger
	standby      ledger // what a failover would leave
	messages     [maxMessages]message
	workers      [maxWorkers]worker
	relay        relay
	resuming     bool  // the tenant is active, its runs are not yet due (without ResumeIsOneTransaction)
	sweeping     uint8 // the run a sweeper has read (without SweepRechecks)
	lastSeq      uint8
	identityUsed bool // the stream has seen the identity's Nats-Msg-Id (without MsgIDIsNotIdentity)
	replay       bool // after a failover the whole stream may be replayed
	faults       Budget
	blamed       Invariant // what the last step broke
}

func (s *state) run(ref uint8) *run         { return &s.runs[ref-1] }
func (s *state) request(ref uint8) *request { return &s.requests[ref-1] }

// blame notes the first invariant that a step breaks.
func (s *state) blame(i Invariant) {
	if s.blamed == Holds {
		s.blamed = i
	}
}

// locked reports whether a caller's open transaction has a run FOR SHARE, or a commit is at it.
func (l *ledger) locked(ref uint8) bool {
	if l.runs[ref-1].landing {
		return true
	}
	for _, q := range l.requests {
		if q.locks && q.run == ref {
			return true
		}
	}
	return false
}

// holds reports whether a worker's attempt is the one that owns a run.
func (w *worker) holds(r *run) bool { return r.status == running && r.token == w.token && w.token != 0 }

// atRun reports whether a worker believes that it has a run.
func (w *worker) atRun() bool {
	return w.stage == executing || w.stage == gathered || w.stage == effected || w.stage == failing
}
