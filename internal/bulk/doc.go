// Package bulk publishes a file of jobs, one a line, so that it may be interrupted anywhere: whoever starts it again asks for
// no job twice.
//
// That rests on request ids alone. Each line without an id of its own gets one that follows from the batch, the line's number
// and what it says, so a second run of the same batch asks with the same ids, and the broker or the ledger knows them again.
// A resume file remembers the batch, and up to which line the stream is known to have everything; losing that place costs time
// and nothing else.
package bulk
