// Package oprun is the operation-run ledger: the one durable truth about every run, in Postgres.
//
// A run is one row of oprun.operation_runs. Partial unique indexes over the active rows decide which run owns an
// identity, and the primary key decides whether an occurrence has been seen; nothing else does. [Ledger.Claim] asks
// for a batch of deliveries, in one INSERT, which of them may run. An attempt holds its run by a random claim token
// under a lease, keeps it with [Ledger.Extend], and ends it with [Ledger.Finish], which changes only rows that still
// carry the token. [Effects.Land] does the same inside the transaction of a handler's effects, so that they and the end of
// its run are one commit; [Ledger.FinishQueued] does it for statements of many handlers at once.
//
// Every statement is a file in sql/, says what it decides and which index serves it, and runs in psql as it is.
// The protocol is docs/protocol.md; its invariants are cited as I1 to I13.
//
// The package knows nothing of NATS. A [Ledger] is safe for concurrent use.
package oprun
