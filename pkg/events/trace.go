package events

import "unicode/utf8"

// maxTraceState is how much of a tracestate the W3C asks everybody to carry, in bytes.
const maxTraceState = 512

// validTrace returns a trace context that may be sent on. One that is not valid is dropped, and never refused: the
// W3C recommendation says to go on without it (https://www.w3.org/TR/trace-context/ §3.2.2).
func validTrace(parent, state string) (string, string) {
	if !validTraceParent(parent) {
		return "", ""
	}
	if len(state) > maxTraceState || !utf8.ValidString(state) {
		state = ""
	}
	for i := range len(state) {
		if c := state[i]; c > '~' || c < ' ' && c != '\t' {
			return parent, ""
		}
	}
	return parent, state
}

// validTraceParent checks the shape "00-<32 hex>-<16 hex>-<2 hex>", which later versions may only lengthen.
func validTraceParent(s string) bool {
	const length, maxLength = 55, 256
	if len(s) < length || len(s) > maxLength || !visible(s) {
		return false
	}
	if s[:2] == "ff" || s[:2] == "00" && len(s) != length || len(s) > length && s[length] != '-' {
		return false
	}
	zeroTrace, zeroSpan := true, true
	for i := range length {
		c := s[i]
		switch {
		case i == 2 || i == 35 || i == 52:
			if c != '-' {
				return false
			}
		case (c < '0' || c > '9') && (c < 'a' || c > 'f'):
			return false
		case i > 2 && i < 35:
			zeroTrace = zeroTrace && c == '0'
		case i > 35 && i < 52:
			zeroSpan = zeroSpan && c == '0'
		}
	}
	return !zeroTrace && !zeroSpan
}
