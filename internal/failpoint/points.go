package failpoint

// Point is a place in the code where a process can be made to fail.
type Point string

// The places, in the order in which a job comes by them.
const (
	ClaimBefore   Point = "claim.before"         // the claim is about to be sent; error: it could not be
	ClaimAfter    Point = "claim.after"          // it is committed, nothing runs yet; error: its answer was lost
	RunDuring     Point = "run.during"           // for handlers of tests, which pass it themselves
	GroupBefore   Point = "group.before"         // the transaction of a group of queued effects is about to begin; error: it could not
	FinishBefore  Point = "finish.before"        // effects are done, the run is not ended
	CommitBefore  Point = "finish.before_commit" // the run is ended in the effects' transaction, which is not committed
	CommitAfter   Point = "commit.after"         // it is committed; error: the answer was lost
	ParkAfter     Point = "park.after"           // a retry is parked; error: the answer was lost
	AckBefore     Point = "ack.before"           // error: the acknowledgement is not sent
	AckAfter      Point = "ack.after"            // it is written, and perhaps not yet sent
	PublishBefore Point = "relay.before_publish" // a due run is about to be published
	PubAck        Point = "relay.puback"         // the broker has it; error: its word was lost
	MarkBefore    Point = "relay.before_mark"    // the publication is about to be recorded
	SweepBefore   Point = "sweep.before"         // a sweep is about to be sent
	SweepAfter    Point = "sweep.after"          // it is committed; error: its answer was lost
)

// Switch is a rule of the protocol that can be switched off.
type Switch string

// The rules, and what happens without them.
const (
	Fence          Switch = "fence"            // results are taken from whoever brings them, whatever their claim token
	Sweeper        Switch = "sweeper"          // nobody looks for runs whose attempt stopped beating
	Lease          Switch = "lease"            // a claim takes a run although somebody's lease on it is alive
	GroupFence     Switch = "group_fence"      // a group of queued effects commits, although some of its attempts have lost their runs
	AckAfterCommit Switch = "ack_after_commit" // messages are acknowledged before the ledger knows of them
)
