// Package load asks for a bounded number of made-up jobs, and tells how fast the stream took them and what the ledger made of
// them.
//
// What is asked for follows from a seed and a number alone: nothing of it has to be remembered to ask the ledger for the verdict
// of exactly these requests.
package load
