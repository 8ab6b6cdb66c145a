// Package events says how a job looks and travels on JetStream.
//
// A job is a message on a subject of the stream: the subject alone says whose job it is and of what type
// ([Subjects]), the body is its input, one JSON object ([ValidInput]), and headers say the rest. A [Codec] reads
// such a message, plain or as a CloudEvent, into a [Job], or refuses it with a [Refusal] that names the reason; it
// trusts nothing and never panics. A [Publisher] writes them, one by one or pipelined, and tells of every message
// that the broker suppressed. A [Topology] is the stream and the consumer as they should be: it plans, shows and
// applies the difference, and deletes nothing unasked.
//
// The package promises that what a Publisher sends its Codec reads, and that one message is the same
// [dedupe.Occurrence] however often it is delivered, read back or replayed. It leaves to others what a job type
// declares (package catalog), what is done with a job (package jobs) and whether it has been done (package oprun).
package events
