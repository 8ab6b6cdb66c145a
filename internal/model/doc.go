// Package model is the protocol of docs/protocol.md as a program that can be searched: every interleaving of the
// ledger's statements, the stream, the workers, the relay and the sweeper on one identity, under a small budget of
// faults. [Search] visits every state that can be reached, checks the invariants (I1–I12) in each, and asks at the end
// whether from each of them the system, left alone, still brings every accepted request to its end (I4, I6, I7).
//
// It promises that a configuration without a [Violation] has none within its bounds: one identity (groups: one
// each), up to three requests, four runs, four messages, two workers (a group of three: three). It says nothing about scopes (I11), summaries (I13), or time: a
// lease, a backoff or a cooldown can end at any moment, so that whatever holds does not rest on durations.
//
// Each rule of the protocol is a switch ([Rule]). The tests drop them one by one, and each must be missed: a rule that
// nothing misses is either no rule, or the model cannot see what it is for.
package model
