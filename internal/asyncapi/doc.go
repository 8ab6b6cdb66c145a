// Package asyncapi describes a catalogue's subjects, headers and payloads as an AsyncAPI 3.0 document
// (https://www.asyncapi.com/docs/reference/specification/v3.0.0), for people and programs that know oprun by its
// messages alone.
//
// The application of the document is a worker: it receives jobs, and sends word of the runs that have ended. The same
// catalogue and settings give the same bytes:
//
//	doc := asyncapi.Describe(cat, subjects)
//	text, err := asyncapi.YAML(doc)
//
// It promises what docs/protocol.md says of the wire and nothing of its own, and leaves to others where servers are.
package asyncapi
