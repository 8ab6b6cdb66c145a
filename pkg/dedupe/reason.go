package dedupe

import "fmt"

// Reason says why a message is [Rejected]. It is written to the dead letters and counted in metrics.
type Reason uint8

// The reasons. The zero value is no reason.
const (
	Malformed            Reason = iota + 1 // the subject or the body cannot be read
	Oversize                               // the body is larger than an input may be
	HeaderInvalid                          // a header is repeated, too long or not of its form
	VersionUnknown                         // Oprun-Version or specversion names a version this consumer does not speak
	ScopeUnknown                           // the ledger has no such tenant or workspace
	TypeUnknown                            // the catalogue declares no such job type
	TypeMismatch                           // ce-type says another type than the subject
	IdentityInputMissing                   // a declared identity input is not in the body
	IdentityInputInexact                   // a declared identity input is a number without an exact spelling
	RunUnknown                             // it names a run that stayed unknown for too long
	OlderThanRetention                     // the ledger may have forgotten this occurrence
	SchemaViolated                         // the input breaks the type's JSON Schema
)

var reasonNames = [...]string{
	Malformed: "malformed", Oversize: "oversize", HeaderInvalid: "header_invalid", VersionUnknown: "version_unknown",
	ScopeUnknown: "scope_unknown", TypeUnknown: "type_unknown", TypeMismatch: "type_mismatch",
	IdentityInputMissing: "identity_input_missing", IdentityInputInexact: "identity_input_inexact",
	RunUnknown: "unknown_run", OlderThanRetention: "older_than_retention", SchemaViolated: "schema",
}

// Reasons returns every reason.
func Reasons() []Reason {
	all := make([]Reason, 0, len(reasonNames)-1)
	for r := Malformed; r <= SchemaViolated; r++ {
		all = append(all, r)
	}
	return all
}

// String returns the reason as it is spelled in SQL, metrics and pages.
func (r Reason) String() string {
	if r == 0 || int(r) >= len(reasonNames) {
		return fmt.Sprintf("reason %d", uint8(r))
	}
	return reasonNames[r]
}

// ParseReason reads what [Reason.String] writes.
func ParseReason(s string) (Reason, error) {
	for r := Malformed; r <= SchemaViolated; r++ {
		if reasonNames[r] == s {
			return r, nil
		}
	}
	return 0, fmt.Errorf("unknown reason %q", s)
}
