package model

import (
	"slices"
	"testing"
)

// dropped is a rule that is switched off, the configuration that shows what it is for, and the invariant that breaks
// first: the one of the shortest counterexample.
type dropped struct {
	rules  []Rule
	config Config
	broken Invariant
	stuck  bool // nothing goes wrong, and nothing goes on
}

func off(rules ...Rule) []Rule { return rules }

func ignoring(c Config, ignore ...Invariant) Config {
	c.Ignore = ignore
	return c
}

func eachRuleDropped() []dropped {
	return []dropped{
		{off(Fenced), Config{Requests: ledgerFirst, Faults: Faults(Pause)}, I9, false},
		{off(Fenced), ignoring(Config{Requests: ledgerFirst, Faults: Faults(Pause)}, I8, I9), I2, false},
		{off(FenceByToken), Config{Requests: ledgerFirst, Faults: Faults(Failover, Redelivered)}, I9, false},
		{off(EffectsWithFinish), Config{Requests: ledgerFirst, Faults: Faults(Crash)}, I2, false},
		{off(SweeperRuns), Config{Requests: ledgerFirst, Faults: Faults(Crash, MessageLost)}, I4, true},
		{off(SweepRechecks), Config{Requests: ledgerFirst, Faults: Faults(Pause)}, I8, false},
		{off(LeaseChecked), Config{Requests: ledgerFirst, Faults: Faults(Redelivered)}, I3, false},
		{off(ClaimRechecks), Config{Requests: ledgerFirst, Statements: true}, I6, false},
		{off(ClaimRechecks), ignoring(Config{Requests: ledgerFirst, Statements: true, Faults: Faults(Redelivered)}, I6), I3, false},
		{off(AckAfterCommit), Config{Requests: messageFirst, Faults: Faults(Crash)}, I4, true},
		{off(CountedAtClaim), Config{Requests: mixed, Poison: true}, I7, true},
		{off(UnlimitedDeliveries), Config{Requests: messageFirst, Faults: Faults(Crash, Crash)}, I4, true},
		{off(OccurrenceDecides), Config{Requests: messageFirst, Faults: Faults(AckLost)}, I5, false},
		{off(OccurrenceDecides), Config{Requests: messageFirst, Cooldown: true, Faults: Faults(AckLost)}, I5, false},
		{off(OccurrenceIsNotIdentity), Config{Requests: messageFirst}, I10, false},
		{off(OccurrenceIsNotIdentity), ignoring(Config{Requests: messageFirst}, I10), I4, true},
		{off(OccurrenceIsNotSequence), Config{Requests: messageFirst, Faults: Faults(StreamMadeAnew)}, I10, false},
		{off(OccurrenceIsNotSequence), Config{Requests: messageFirst, Faults: Faults(PublishedTwice)}, I5, false},
		{off(MsgIDIsNotIdentity), Config{Requests: messageFirst}, I4, true},
		{off(IdentityIsUnique), Config{Requests: ledgerFirst}, I1, false},
		{off(SlotByFollowUp), Config{Requests: ledgerFirst, FollowUp: true}, I1, false},
		{off(OnceIsForEver), Config{Requests: mixed, Once: true}, I1, false},
		{off(FollowUpOfRunning), Config{Requests: ledgerFirst, FollowUp: true}, I6, false},
		{off(FollowUpWaits), Config{Requests: messageFirst, FollowUp: true, Faults: Faults(Redelivered)}, I1, false},
		{off(OrphansPromoted), Config{Requests: ledgerFirst, FollowUp: true}, I4, true},
		{off(PromotedAtEnd, OrphansPromoted), Config{Requests: messageFirst, FollowUp: true}, I4, true},
		{off(JoinLocks), Config{Requests: ledgerFirst}, I6, false},
		{off(DeliveriesRecorded), Config{Requests: messageFirst, Faults: Faults(AckLost)}, I5, false},
		{off(NewDispatchNo), Config{Requests: ledgerFirst, Faults: Faults(MessageLost)}, I4, true},
		{off(SecondLook), Config{Requests: ledgerFirst, Faults: Faults(MessageLost)}, I4, true},
		{off(RequeueKeepsInput), Config{Requests: messageFirst, Faults: Faults(HandlerFails)}, I10, false},
		{off(LostOnlyWhenGone), Config{Requests: messageFirst, Faults: Faults(Crash)}, I4, false},
		{off(RecoveryChecksOccurrence), Config{Requests: messageFirst, Faults: Faults(StreamMadeAnew, Crash)}, OwnInput, false},
		{off(RecoveryChecksPlace), Config{Requests: messageFirst, Faults: Faults(StreamMadeAnew, Crash, PublishedTwice)}, OwnInput, false},
		{off(OwnBody), Config{Requests: messageFirst, Faults: Faults(PublishedTwice, Crash)}, OwnInput, false},
		{off(JoinLendsInput), Config{Requests: mixed, Faults: Faults(MessageLost, Crash)}, I4, false},
		{off(ParkKeepsOwnBody), Config{Requests: messageFirst, Statements: true, Faults: Faults(Suspended, PublishedTwice, Crash)}, OwnInput, false},
		{off(ParkRaisesDispatchNo), Config{Requests: ledgerFirst, Faults: Faults(Suspended)}, StaysParked, false},
		{off(ParkRaisesDispatchNo), Config{Requests: messageFirst, Faults: Faults(Suspended, HandlerFails)}, StaysParked, false},
		{off(LimitsRetention), Config{Requests: messageFirst, Faults: Faults(Failover)}, I4, true},
		{off(LimitsRetention), Config{Requests: mixed, Statements: true, Faults: Faults(Redelivered, Crash)}, I10, false},
		{off(LostRechecks), Config{Requests: messageFirst, Faults: Faults(MessageLost, Redelivered, Crash)}, I9, false},
		{off(DeliveriesRecorded), Config{Requests: ledgerFirst, Faults: Faults(CallerRepeats)}, I5, false},
		{off(HorizonRefuses), Config{Requests: ledgerFirst, Retention: true, Faults: Faults(CallerRepeats)}, I5, false},
		{off(CancelKeepsOwner), Config{Requests: ledgerFirst, Faults: Faults(CancelAsked)}, I3, false},
		{off(AbandonedRecorded), Config{Requests: ledgerFirst, Faults: Faults(CommitUnknown, Pause)}, I12, false},
		{off(ParkLocksTenant), Config{Requests: messageFirst, Statements: true, Faults: Faults(Suspended)}, I4, true},
		{off(ResumeIsOneTransaction), Config{Requests: messageFirst, Faults: Faults(Suspended, Crash)}, I4, true},
		{off(ParkedIsNotTaken), Config{Requests: messageFirst, Statements: true, Faults: Faults(Suspended, Crash, Redelivered)}, I4, true},
		{off(HorizonRefuses), Config{Requests: messageFirst, Retention: true, Faults: Faults(Replayed)}, I5, false},
		{off(HorizonFirst), Config{Requests: messageFirst, Retention: true, Statements: true, Faults: Faults(Replayed)}, I5, false},
		{off(UndatedKept), Config{Requests: messageFirst, Retention: true, Undated: true, Faults: Faults(Replayed)}, I5, false},
		{off(ConfirmWaits), Config{Requests: ledgerFirst, Faults: Faults(CommitUnknown)}, I12, false},
		{off(ConfirmWaits), grouped(messageFirst, Faults(CommitUnknown)), I12, false},
		{off(FencedUndoesGroup), grouped(messageFirst, Faults(Pause)), I2, false},
		{off(FencedTakesNobody), grouped(messageFirst, Faults(Pause)), OwnFault, false},
		{off(EndsByToken), grouped(messageFirst[:1], Faults(Pause)), I2, false},
		{off(BadTakesNobody), grouped(messageFirst, Faults(StatementFails)), OwnFault, false},
		{off(EndedByCommit), grouped(messageFirst, Faults(StatementFails)), I12, false},
		{off(BadIsNotEnded), grouped(messageFirst, Faults(StatementFails)), I2, false},
		{off(SavepointIsTheJobs), grouped(messageFirst, Faults(StatementFails)), I2, false},
		{off(GroupAsks), grouped(messageFirst, Faults(CommitUnknown)), I12, false},
		{off(GroupAsks, Fenced), ignoring(grouped(messageFirst, Faults(CommitUnknown)), I8, I9), I2, false},
		{off(GroupSentAgain), grouped(messageFirst, Faults(CommitUnknown)), OwnFault, false},
		{off(GatheredBeats), grouped(messageFirst, Budget{}), OwnFault, false},
		{off(Fenced), grouped(messageFirst, Faults(Pause)), I9, false},
		{off(UndatedNotJudged), Config{Requests: messageFirst, Retention: true, Undated: true}, I4, false},
	}
}

func TestEachRuleIsMissed(t *testing.T) {
	t.Parallel()
	for _, d := range eachRuleDropped() {
		t.Run(d.rules[0].String(), func(t *testing.T) {
			t.Parallel()
			d.config.Attempts = 2
			d.config.Rules = Protocol().Without(d.rules...)
			result := Search(d.config, limit)
			t.Logf("%d states, %d steps; faults: %s", result.States, result.Steps, d.config.Faults)
			switch v := result.Violation; {
			case v == nil && raced && !result.Complete:
			case v == nil:
				t.Errorf("without %v everything holds: the model does not see what the rule is for", d.rules)
			case v.Invariant != d.broken || v.Stuck != d.stuck:
				t.Errorf("without %v, want %s (stuck: %t), got %s", d.rules, d.broken, d.stuck, v)
			default:
				t.Log(v)
			}
		})
	}
}

func TestEveryRuleHasItsTurn(t *testing.T) {
	t.Parallel()
	rows := eachRuleDropped()
	for r := range numRules {
		if !slices.ContainsFunc(rows, func(d dropped) bool { return slices.Contains(d.rules, r) }) {
			t.Errorf("no row drops %s", r)
		}
	}
}
