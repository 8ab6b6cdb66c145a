package events

import (
	"slices"
	"strings"

	"oprun.example/pkg/dedupe"
)

// Filter says which messages of a stream, or of a record, are meant. The zero value means all.
type Filter struct {
	Range    // by sequence number, store time and subject
	Types    []string
	Scopes   []dedupe.Scope
	Subjects Subjects // spells the subjects of jobs
}

// Match reports whether a stored message is meant.
func (f Filter) Match(m Message) bool {
	switch {
	case m.Seq < f.FromSeq, f.ToSeq != 0 && m.Seq > f.ToSeq:
		return false
	case m.StoredAt.Before(f.Since), !f.Until.IsZero() && !m.StoredAt.Before(f.Until):
		return false
	case f.Subject != "" && !matchSubject(f.Subject, m.Subject):
		return false
	case len(f.Types) == 0 && len(f.Scopes) == 0:
		return true
	}
	scope, jobType, err := f.Subjects.Parse(m.Subject)
	return err == nil && (len(f.Types) == 0 || slices.Contains(f.Types, jobType)) &&
		(len(f.Scopes) == 0 || slices.Contains(f.Scopes, scope))
}

// Narrowed returns the range in which a stream is to be read: what [Filter.Match] takes lies in it. The broker then
// looks up one type's, or one scope's, messages by their subject.
func (f Filter) Narrowed() Range {
	r := f.Range
	if r.Subject != "" || len(f.Types) > 1 || len(f.Scopes) > 1 || len(f.Types)+len(f.Scopes) == 0 {
		return r
	}
	kind, id, rest := "*", "*", ">"
	if len(f.Scopes) == 1 {
		kind, id = f.Scopes[0].Kind.String(), f.Scopes[0].ID.String()
	}
	if len(f.Types) == 1 {
		rest = f.Types[0]
	}
	r.Subject = strings.Join([]string{f.Subjects.prefix(), kind, id, rest}, ".")
	return r
}

// matchSubject reports whether a subject matches a pattern with the wildcards * and >.
func matchSubject(pattern, subject string) bool {
	for {
		wanted, restWanted, moreWanted := strings.Cut(pattern, ".")
		token, rest, more := strings.Cut(subject, ".")
		switch {
		case wanted == ">":
			return true
		case wanted != "*" && wanted != token, moreWanted != more:
			return false
		case !more:
			return true
		}
		pattern, subject = restWanted, rest
	}
}
