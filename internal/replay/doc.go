// Package replay puts recorded messages into a stream again, and tells what the ledger says of each.
//
// A message is the same occurrence again, so that a ledger which has carried it out does nothing, or it is asked for
// anew. Nothing is promised by the package itself: the claim decides as for any other message, and the report is read
// from the ledger. Messages come from a record ([oprun.example/pkg/events.Records]) or from a stream
// ([oprun.example/pkg/events.Read]).
package replay
