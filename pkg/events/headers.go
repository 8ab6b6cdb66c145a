package events

import (
	"strings"

	"github.com/nats-io/nats.go"

	"oprun.example/pkg/dedupe"
)

// MaxHeaderBytes bounds all headers of a message together, as they are on the wire.
const MaxHeaderBytes = 16 << 10

// The headers of a job, all optional. They are read whatever the case of their letters, because clients and gateways
// change it; Nats-Msg-Id alone is the broker's, which wants it so.
const (
	HeaderMsgID       = "Nats-Msg-Id"      // the broker's deduplication; it means nothing to the ledger
	HeaderRunID       = "Oprun-Run-Id"     // the run, when the ledger has it already
	HeaderRequestID   = "Oprun-Request-Id" // the producer's own id of this request
	HeaderOccurrence  = "Oprun-Occurrence" // written by replay: the [Place] of the recorded message, which this one is again
	HeaderInitiator   = "Oprun-Initiator"  // who asked
	HeaderVersion     = "Oprun-Version"    // [WireVersion], which is also what its absence means
	HeaderTraceParent = "traceparent"      // W3C trace context
	HeaderTraceState  = "tracestate"

	// HeaderReplayedFrom is written by replay: the [Place] of the recorded message that this new request was made of. It
	// decides nothing; the run keeps it.
	HeaderReplayedFrom = "Oprun-Replayed-From"
)

// WireVersion is the version of this message format.
const WireVersion = "1"

// field is a header that the codec knows.
type field uint8

const (
	msgID field = iota
	runID
	requestID
	occurrence
	replayedFrom
	initiator
	version
	traceParent
	traceState
	contentType
	ceSpecVersion
	ceType
	ceID
	ceSource
	ceTime
	fieldCount
)

var fieldNames = [fieldCount]string{
	msgID: HeaderMsgID, runID: HeaderRunID, requestID: HeaderRequestID, occurrence: HeaderOccurrence,
	replayedFrom: HeaderReplayedFrom,
	initiator:    HeaderInitiator, version: HeaderVersion, traceParent: HeaderTraceParent, traceState: HeaderTraceState,
	contentType: "Content-Type", ceSpecVersion: "ce-specversion", ceType: "ce-type", ceID: "ce-id",
	ceSource: "ce-source", ceTime: "ce-time",
}

// headers is the known part of a message's header.
type headers struct {
	value      [fieldCount]string
	present    [fieldCount]bool
	cloudEvent bool // some ce-* header is there
}

// read checks what holds for all headers, known or not, and gathers the known ones. Maps have no order, so nothing
// here may depend on it: of several faults the same one is always told.
func (h *headers) read(header nats.Header) error {
	if isUnreadable(header) {
		return refuse(dedupe.HeaderInvalid, `headers: the block is not of lines "name: value", so nobody can tell what it said`)
	}
	size, repeated := len("NATS/1.0\r\n\r\n"), ""
	for name, values := range header {
		for _, value := range values {
			size += len(name) + len(": \r\n") + len(value)
		}
		if len(values) == 0 {
			continue
		}
		if again := h.keep(name, values[0]); again || len(values) > 1 {
			repeated = firstName(repeated, name)
		}
	}
	if size > MaxHeaderBytes {
		return refuse(dedupe.HeaderInvalid, "headers: they have more than 16384 bytes")
	}
	if repeated != "" {
		return refuse(dedupe.HeaderInvalid, "header "+repeated+" is there more than once")
	}
	return nil
}

// keep stores a known header and reports whether it was there before, in another case.
func (h *headers) keep(name, value string) (again bool) {
	if len(name) > 3 && strings.EqualFold(name[:3], "ce-") {
		h.cloudEvent = true
	}
	f, ok := knownField(name)
	if !ok {
		return false
	}
	again = h.present[f]
	h.value[f], h.present[f] = value, true
	return again
}

func knownField(name string) (field, bool) {
	for f, known := range fieldNames {
		if len(name) == len(known) && (name == known || strings.EqualFold(name, known)) {
			return field(f), true
		}
	}
	return 0, false
}

// firstName returns the lesser of two names in lower case; "" is none.
func firstName(a, b string) string {
	b = strings.ToLower(b)
	if a == "" || b < a {
		return b
	}
	return a
}
