package model

import "testing"

// whole is a configuration under which the whole protocol must hold.
type whole struct {
	name   string
	config Config
}

var (
	ledgerFirst  = []Entry{LedgerFirst, LedgerFirst}
	messageFirst = []Entry{MessageFirst, MessageFirst}
	mixed        = []Entry{LedgerFirst, MessageFirst}

	threeMessages = []Entry{MessageFirst, MessageFirst, MessageFirst}
)

// grouped are jobs of their own whose handlers queue their effects.
func grouped(requests []Entry, faults Budget) Config {
	return Config{Requests: requests, Apart: true, Queue: true, Faults: faults}
}

func protocolHolds() []whole {
	return []whole{
		{"ledger-first: crash, loss, lost ack, redelivery", Config{Requests: ledgerFirst, Faults: Faults(Crash, MessageLost, AckLost, Redelivered)}},
		{"ledger-first: crash, pause, error, redelivery", Config{Requests: ledgerFirst, Faults: Faults(Crash, Pause, HandlerFails, Redelivered)}},
		{"ledger-first: abort, unknown commit, pause, crash", Config{Requests: ledgerFirst, Faults: Faults(CallerAborts, CommitUnknown, Pause, Crash)}},
		{"ledger-first: relay dies, stream made anew, callers repeat", Config{Requests: ledgerFirst, Faults: Faults(RelayDies, StreamMadeAnew, CallerRepeats, Crash)}},
		{"ledger-first: cancel, crash, pause, unknown commit", Config{Requests: ledgerFirst, Faults: Faults(CancelAsked, Crash, Pause, CommitUnknown)}},
		{"ledger-first: failover, pause", Config{Requests: ledgerFirst, Faults: Faults(Failover, Pause)}},
		{"message-first: crash, lost ack, published twice, redelivery", Config{Requests: messageFirst, Faults: Faults(Crash, AckLost, PublishedTwice, Redelivered)}},
		{"message-first: pause, error, unknown commit, crash", Config{Requests: messageFirst, Faults: Faults(Pause, HandlerFails, CommitUnknown, Crash)}},
		{"message-first: stream made anew, crash, lost ack, error", Config{Requests: messageFirst, Faults: Faults(StreamMadeAnew, Crash, AckLost, HandlerFails)}},
		{"message-first: loss, two crashes, redelivery", Config{Requests: messageFirst, Faults: Faults(MessageLost, Crash, Crash, Redelivered)}},
		{"message-first: loss, two crashes, published twice", Config{Requests: messageFirst, Faults: Faults(MessageLost, Crash, Crash, PublishedTwice)}},
		{"message-first: stream made anew, crash, published twice", Config{Requests: messageFirst, Faults: Faults(StreamMadeAnew, Crash, PublishedTwice)}},
		{"both ways: loss, crash, published twice", Config{Requests: mixed, Faults: Faults(MessageLost, Crash, PublishedTwice)}},
		{"follow-up, message-first: crash, published twice, error", Config{Requests: messageFirst, FollowUp: true, Faults: Faults(Crash, PublishedTwice, HandlerFails)}},
		{"suspended, one request, statement by statement: published twice, crash, pause", Config{Requests: []Entry{MessageFirst}, Statements: true, Faults: Faults(Suspended, PublishedTwice, Crash, Pause)}},
		{"suspended, ledger-first: relay dies, crash, loss", Config{Requests: ledgerFirst, Faults: Faults(Suspended, Suspended, RelayDies, Crash, MessageLost)}},
		{"message-first: cancel, crash, pause", Config{Requests: messageFirst, Faults: Faults(CancelAsked, Crash, Pause)}},
		{"message-first: failover, crash", Config{Requests: messageFirst, Faults: Faults(Failover, Crash)}},
		{"message-first, statement by statement: redelivery, crash, pause", Config{Requests: messageFirst, Statements: true, Faults: Faults(Redelivered, Crash, Pause)}},
		{"both ways: crash, error, redelivery, pause", Config{Requests: mixed, Faults: Faults(Crash, HandlerFails, Redelivered, Pause)}},
		{"both ways, statement by statement: redelivery, pause, abort, error", Config{Requests: mixed, Statements: true, Faults: Faults(Redelivered, Pause, CallerAborts, HandlerFails)}},
		{"follow-up, ledger-first: crash, pause, error, cancel", Config{Requests: ledgerFirst, FollowUp: true, Faults: Faults(Crash, Pause, HandlerFails, CancelAsked)}},
		{"follow-up, ledger-first, three requests: abort, crash", Config{Requests: []Entry{LedgerFirst, LedgerFirst, LedgerFirst}, FollowUp: true, Faults: Faults(CallerAborts, Crash)}},
		{"follow-up, message-first: crash, error, redelivery", Config{Requests: messageFirst, FollowUp: true, Faults: Faults(Crash, HandlerFails, Redelivered)}},
		{"follow-up, both ways, statement by statement: crash, redelivery, error", Config{Requests: mixed, FollowUp: true, Statements: true, Faults: Faults(Crash, Redelivered, HandlerFails)}},
		{"follow-up, both ways, three requests: crash, error", Config{Requests: []Entry{LedgerFirst, MessageFirst, MessageFirst}, FollowUp: true, Statements: true, Faults: Faults(Crash, HandlerFails)}},
		{"poison, both ways: loss, redelivery", Config{Requests: mixed, Poison: true, Faults: Faults(MessageLost, Redelivered)}},
		{"suspended, message-first, statement by statement: crash, redelivery", Config{Requests: messageFirst, Statements: true, Faults: Faults(Suspended, Crash, Redelivered)}},
		{"suspended, both ways: crash, error, pause", Config{Requests: mixed, Faults: Faults(Suspended, Crash, HandlerFails, Pause)}},
		{"suspended, both ways, statement by statement: cancel, callers abort", Config{Requests: mixed, Statements: true, Faults: Faults(Suspended, CancelAsked, CallerAborts)}},
		{"suspended twice, message-first, statement by statement: redelivery", Config{Requests: messageFirst, Statements: true, Faults: Faults(Suspended, Suspended, Redelivered)}},
		{"suspended, follow-up, statement by statement: redelivery, error", Config{Requests: mixed, FollowUp: true, Statements: true, Faults: Faults(Suspended, Redelivered, HandlerFails)}},
		{"suspended twice, with a follow-up", Config{Requests: mixed, FollowUp: true, Faults: Faults(Suspended, Suspended, Crash)}},
		{"retention, message-first, statement by statement: two replays, crash", Config{Requests: messageFirst, Retention: true, Statements: true, Faults: Faults(Replayed, Replayed, Crash)}},
		{"retention, both ways, with a follow-up: replay, callers repeat", Config{Requests: mixed, FollowUp: true, Retention: true, Faults: Faults(Replayed, CallerRepeats, Crash)}},
		{"retention, undated requests: replay, published twice", Config{Requests: messageFirst, Retention: true, Undated: true, Faults: Faults(Replayed, PublishedTwice)}},
		{"once, both ways: crash, error, redelivery, lost ack", Config{Requests: mixed, Once: true, Faults: Faults(Crash, HandlerFails, Redelivered, AckLost)}},
		{"cooldown, both ways: crash, lost ack, error", Config{Requests: mixed, Cooldown: true, Faults: Faults(Crash, AckLost, HandlerFails)}},
		{"groups of three: pause, bad statement, unknown commit", grouped(threeMessages, Faults(Pause, StatementFails, CommitUnknown))},
		{"groups, message-first: crash, pause, bad statement", grouped(messageFirst, Faults(Crash, Pause, StatementFails))},
		{"groups, both ways: pause, bad statement, unknown commit, redelivery", grouped(mixed, Faults(Pause, StatementFails, CommitUnknown, Redelivered))},
		{"groups, ledger-first: crash, bad statement, unknown commit", grouped(ledgerFirst, Faults(Crash, StatementFails, CommitUnknown))},
		{"groups, message-first: two bad statements, unknown commit, error, lost ack", grouped(messageFirst, Faults(StatementFails, StatementFails, CommitUnknown, HandlerFails, AckLost))},
		{"groups, message-first: cancel, unknown commit, pause", grouped(messageFirst, Faults(CancelAsked, CommitUnknown, Pause))},
		{"groups of one, with a follow-up: crash, bad statement, unknown commit", Config{Requests: mixed, FollowUp: true, Queue: true, Faults: Faults(Crash, StatementFails, CommitUnknown)}},
		{"an operator's retry, with a follow-up: cancel, crash", Config{Requests: []Entry{LedgerFirst, MessageFirst, Retry}, FollowUp: true, Faults: Faults(CancelAsked, Crash)}},
		{"an operator's retry of what happens once: crash, redelivery", Config{Requests: []Entry{MessageFirst, MessageFirst, Retry}, Once: true, Faults: Faults(Crash, Redelivered)}},
	}
}

func TestProtocolHolds(t *testing.T) {
	t.Parallel()
	var steps taken
	all := protocolHolds()
	t.Cleanup(func() { steps.missing(t, len(all)) })
	for _, w := range all {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			w.config.Attempts, w.config.Rules = 2, Protocol()
			result := Search(w.config, limit)
			steps.add(result.Taken)
			t.Logf("%d states, %d steps; faults: %s", result.States, result.Steps, w.config.Faults)
			if !result.Complete && result.Violation == nil && !raced {
				t.Error("not all states were seen")
			}
			if result.Violation != nil {
				t.Error(result.Violation)
			}
		})
	}
}
