package events

import (
	"strings"
	"unicode"

	"oprun.example/pkg/dedupe"
)

// maxDetailBytes bounds the detail of a refusal.
const maxDetailBytes = 200

// Refusal says why a message is no job, now and at every later delivery: it belongs to the dead letters.
type Refusal struct {
	Reason dedupe.Reason
	Detail string // one line for people, at most 200 bytes; it never quotes the body or a header's value
}

// Error returns the reason and the detail.
func (r *Refusal) Error() string { return r.Reason.String() + ": " + r.Detail }

// refuse returns a [*Refusal]. The detail may hold a header's name, which its sender chose: it is made one line of
// bounded length here.
func refuse(reason dedupe.Reason, detail string) error {
	detail = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, detail)
	if len(detail) > maxDetailBytes {
		detail = strings.ToValidUTF8(detail[:maxDetailBytes-3], "") + "..."
	}
	return &Refusal{reason, detail}
}
