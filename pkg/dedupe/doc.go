// Package dedupe says when two jobs are the same job, and names what is done with the second.
//
// A job has two kinds of sameness. Its [Identity] is what makes two requests the same work: scope, job type and
// the inputs that the type declares. Its [Occurrence] is what makes two messages the same request: a redelivery,
// a producer's retry and a replay are one occurrence, a new request is another. The ledger answers each delivery
// with a [Verdict].
//
// The package is pure: no clock, no network, no database. What it computes is frozen, written down for other
// languages in testdata/identity.json, and the same in a producer that has never seen the ledger. Deciding
// (which of two equal jobs runs) is the ledger's work, in one SQL statement: see package oprun.
package dedupe
