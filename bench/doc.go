// Package bench measures how fast jobs go through the real worker and ledger, side by side with the loop that most
// people write by hand, and with the ledger alone, in one run:
//
//	go test -run '^$' -bench . -benchtime 5x ./bench
//
// The worker, the hand-written loop and the nats-server (file storage) are processes of their own; Postgres runs
// with fsync and synchronous_commit on. An iteration is one round of all contestants; the figures are medians over
// the rounds. Machines differ and are shared: quote the ratios.
package bench
