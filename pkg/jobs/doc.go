// Package jobs turns a delivered job into a finished run, exactly once.
//
// A [Worker] pulls messages into free slots, asks the ledger in batches which of them may run, runs those under a
// lease, commits their ends in batches, and only then acknowledges. Beside that it beats for the runs it holds,
// relays what is due and sweeps up what dead workers left; there is no leader.
//
// A handler says what it did through its [Job], and how it went by what it returns: nil, a plain error (tried
// again), or one of [Blocked], [Cancel], [Snooze], [Retry] and [Permanent]. Effects are of three grades:
//
//   - in the run's own transaction: exactly once, whatever happens. Through [Work.Commit], where the handler reads or
//     decides in it; through [Work.Queue], where it only has statements to leave: they share a transaction with those of many
//     other jobs, which is many times faster;
//   - elsewhere, with the run id as the idempotency key: at least once, and a late result is refused;
//   - anything else: at least once.
//
// Where the work lives elsewhere as well, an [Adapter] tells what became of it; the built-in job
// ops.reconcile_adapter_runs asks it about runs that nobody holds.
//
// Handlers are tested on the bench of package jobstest.
//
// The protocol is docs/protocol.md; its invariants are cited as I1 to I13.
package jobs
