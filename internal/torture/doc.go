// Package torture runs jobs on the embedded stack while it kills, freezes and restarts everything around them, and then
// holds the ledger to what the clients were told: nothing lost, nothing twice (I1 to I13, docs/protocol.md §8).
//
// The clients and their history live in the process that calls [Run], which outlives every fault. Consumers and the
// NATS server are processes of their own, this program again, so that a SIGKILL is a SIGKILL.
package torture
