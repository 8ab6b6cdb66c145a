// Package foreign asks whether programs that know nothing of this code can feed oprun: a client that writes the bytes of
// the NATS protocol itself, one in Node, and every example of docs/producers.md. They speak to a real broker, and real
// workers on a real ledger answer. It has tests only.
package foreign
