package model

import (
	"fmt"
	"strings"
)

// Fault is something that can go wrong.
type Fault uint8

// The faults. Each configuration allows each of them a number of times.
const (
	Crash          Fault = iota // a worker dies: kill -9
	Pause                       // a lease ends while its holder is alive: SIGSTOP, or a database that does not answer
	HandlerFails                // a handler returns an error
	StatementFails              // a handler has queued a statement that fails
	CommitUnknown               // the reply to a COMMIT is lost
	CallerAborts                // a caller rolls its transaction back
	CallerRepeats               // a caller does not learn that its transaction committed, and asks again
	MessageLost                 // the stream loses a message
	StreamMadeAnew              // the stream is deleted and created again: empty, and counting from 1
	AckLost                     // an acknowledgement does not arrive
	Redelivered                 // a message is delivered again while it is in hand
	PublishedTwice              // a producer sends its request again, past the dedupe window: a place and a body of its own
	Replayed                    // an acknowledged message is published again, with its recorded occurrence
	RelayDies                   // a relay dies between publishing and recording it
	CancelAsked                 // an operator cancels a run
	Suspended                   // a tenant is suspended
	Failover                    // the ledger loses its last commits
	numFaults
)

// Budget is how often each fault may happen.
type Budget [numFaults]uint8

// Faults returns a budget of one of each.
func Faults(each ...Fault) Budget {
	var b Budget
	for _, f := range each {
		b[f]++
	}
	return b
}

// String lists what may go wrong, and how often.
func (b Budget) String() string {
	var words []string
	for f, n := range b {
		if n > 0 {
			words = append(words, fmt.Sprintf("%s≤%d", faultNames[f], n))
		}
	}
	return strings.Join(words, " ")
}

var faultNames = [numFaults]string{
	Crash: "crash", Pause: "pause", HandlerFails: "handler fails", StatementFails: "statement fails",
	CommitUnknown: "commit unknown", CallerAborts: "caller aborts",
	CallerRepeats: "caller repeats",
	MessageLost:   "message lost", StreamMadeAnew: "stream made anew", AckLost: "ack lost", Redelivered: "redelivered",
	PublishedTwice: "published twice", Replayed: "replayed", RelayDies: "relay dies", CancelAsked: "cancel", Suspended: "suspended",
	Failover: "failover",
}
