package model

// Rule is one thing the protocol insists on. Dropped, it must be missed (see the tests); the words say what the system
// does without it.
type Rule uint8

// The rules, and in brackets what they are called in the design.
const (
	Fenced                   Rule = iota // results are taken from whoever comes [X01]
	FenceByToken                         // the attempt's number is the fence [X07]
	EffectsWithFinish                    // the handler commits its effects on its own, then the run ends [X12]
	SweeperRuns                          // nobody looks at runs whose lease has ended [X02]
	SweepRechecks                        // the sweeper reads, then writes by id alone [X10]
	LeaseChecked                         // a claim takes a run from a live lease
	ClaimRechecks                        // a claim reads, then writes by id alone [X11]
	AckAfterCommit                       // a message is acknowledged when it arrives [X13]
	CountedAtClaim                       // attempts are counted when they fail [X14]
	UnlimitedDeliveries                  // the broker gives up after two deliveries [X16]
	OccurrenceDecides                    // each delivery makes a run id of its own [X04, X05]
	OccurrenceIsNotIdentity              // the run's id follows from the identity [X15]
	OccurrenceIsNotSequence              // the run's id follows from the stream sequence [X06]
	MsgIDIsNotIdentity                   // the broker drops a second message of an identity [X15]
	IdentityIsUnique                     // no index keeps a second owner out
	SlotByFollowUp                       // the index tells queued from running instead of owner from follow-up [X20]
	OnceIsForEver                        // an identity that happens once is forgotten with its active run
	FollowUpOfRunning                    // a type that follows up joins a run that has begun [X08]
	FollowUpWaits                        // a follow-up may be claimed
	PromotedAtEnd                        // only the sweeper promotes follow-ups
	OrphansPromoted                      // only the end of an owner promotes its follow-up
	JoinLocks                            // a caller joins a queued run without locking it [X09]
	JoinLendsInput                       // a caller who joins a queued run leaves its payload in the stream
	DeliveriesRecorded                   // who joined is not written down
	NewDispatchNo                        // a run is published again under the Nats-Msg-Id of the first time
	SecondLook                           // a published run is never looked at again
	RequeueKeepsInput                    // a parked retry leaves its payload in the stream
	LostRechecks                         // a run whose message is gone is ended by its id alone
	LostOnlyWhenGone                     // a stream that does not answer has lost the message
	RecoveryChecksOccurrence             // what stands in a run's place is taken for its payload [X06]
	RecoveryChecksPlace                  // another message of the request, in the run's place, is taken for its payload
	OwnBody                              // a run without input is taken from any message of its request
	LimitsRetention                      // an acknowledged message is gone from the stream [X19]
	CancelKeepsOwner                     // a cancel ends a running run at once [X18]
	AbandonedRecorded                    // after an unknown commit, a completed run counts as one's own
	ParkKeepsOwnBody                     // a run without input is parked with the body of any message of its request
	ParkRaisesDispatchNo                 // what a relay still records of a parked run is taken
	ParkLocksTenant                      // a run is parked without locking its tenant's row
	ResumeIsOneTransaction               // a tenant is active first, and its runs are due later
	ParkedIsNotTaken                     // a claim that has not seen the suspension takes a row that is due at infinity
	HorizonRefuses                       // an occurrence below the horizon may run
	HorizonFirst                         // retention deletes, then publishes the floor
	UndatedKept                          // retention deletes runs whose ids carry no time
	UndatedNotJudged                     // an id without a time is below every floor
	ConfirmWaits                         // whether a commit happened is asked while it is under way, and not waited for
	FencedUndoesGroup                    // a group commits although one of its members was fenced, whose effects stay
	FencedTakesNobody                    // who was in a group with a fenced one is let go with it
	EndsByToken                          // of two attempts of one run in a group, both are taken when one holds it
	BadTakesNobody                       // who was in a group with a bad statement is let go when it fails
	EndedByCommit                        // who was in a group with a bad statement is taken for ended, and it was rolled back
	BadIsNotEnded                        // a job whose statement has failed is ended with the others
	SavepointIsTheJobs                   // a statement that fails is undone, and what its job did before it stays
	GroupAsks                            // a group whose commit had no answer is sent again at once
	GroupSentAgain                       // a group whose commit had no answer, and did not happen, is let go
	GatheredBeats                        // nobody beats for a job that waits for its group
	numRules
)

// Rules is which rules are in force.
type Rules uint64

// Protocol returns all rules.
func Protocol() Rules { return 1<<numRules - 1 }

// Without returns the rules less one.
func (r Rules) Without(dropped ...Rule) Rules {
	for _, d := range dropped {
		r &^= 1 << d
	}
	return r
}

// Has reports whether a rule is in force.
func (r Rules) Has(rule Rule) bool { return r&(1<<rule) != 0 }

// String returns its name in docs/protocol.md.
func (r Rule) String() string { return ruleNames[r] }

var ruleNames = [numRules]string{
	Fenced: "Fenced", FenceByToken: "FenceByToken", EffectsWithFinish: "EffectsWithFinish", SweeperRuns: "SweeperRuns",
	SweepRechecks: "SweepRechecks", LeaseChecked: "LeaseChecked", ClaimRechecks: "ClaimRechecks", AckAfterCommit: "AckAfterCommit",
	CountedAtClaim: "CountedAtClaim", UnlimitedDeliveries: "UnlimitedDeliveries", OccurrenceDecides: "OccurrenceDecides",
	OccurrenceIsNotIdentity: "OccurrenceIsNotIdentity", OccurrenceIsNotSequence: "OccurrenceIsNotSequence",
	MsgIDIsNotIdentity: "MsgIDIsNotIdentity", IdentityIsUnique: "IdentityIsUnique", SlotByFollowUp: "SlotByFollowUp",
	OnceIsForEver: "OnceIsForEver", FollowUpOfRunning: "FollowUpOfRunning", FollowUpWaits: "FollowUpWaits",
	PromotedAtEnd: "PromotedAtEnd", OrphansPromoted: "OrphansPromoted", JoinLocks: "JoinLocks",
	JoinLendsInput: "JoinLendsInput", RecoveryChecksPlace: "RecoveryChecksPlace", OwnBody: "OwnBody",
	ParkKeepsOwnBody: "ParkKeepsOwnBody", ParkRaisesDispatchNo: "ParkRaisesDispatchNo",
	DeliveriesRecorded: "DeliveriesRecorded", NewDispatchNo: "NewDispatchNo", SecondLook: "SecondLook",
	RequeueKeepsInput: "RequeueKeepsInput", LostRechecks: "LostRechecks", LostOnlyWhenGone: "LostOnlyWhenGone", RecoveryChecksOccurrence: "RecoveryChecksOccurrence",
	LimitsRetention: "LimitsRetention", CancelKeepsOwner: "CancelKeepsOwner", AbandonedRecorded: "AbandonedRecorded",
	ParkLocksTenant: "ParkLocksTenant", ResumeIsOneTransaction: "ResumeIsOneTransaction", ParkedIsNotTaken: "ParkedIsNotTaken",
	HorizonRefuses: "HorizonRefuses", HorizonFirst: "HorizonFirst", UndatedKept: "UndatedKept",
	UndatedNotJudged: "UndatedNotJudged",
	ConfirmWaits:     "ConfirmWaits", FencedUndoesGroup: "FencedUndoesGroup", FencedTakesNobody: "FencedTakesNobody", EndsByToken: "EndsByToken", BadTakesNobody: "BadTakesNobody",
	EndedByCommit: "EndedByCommit", BadIsNotEnded: "BadIsNotEnded", SavepointIsTheJobs: "SavepointIsTheJobs",
	GroupAsks: "GroupAsks", GroupSentAgain: "GroupSentAgain", GatheredBeats: "GatheredBeats",
}
