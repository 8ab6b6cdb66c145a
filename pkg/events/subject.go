package events

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	"github.com/google/uuid"

	"oprun.example/pkg/dedupe"
)

// The first tokens of the subjects of jobs, and of those on which the ends of runs are told, unless a setting says
// otherwise.
const (
	DefaultPrefix       = "jobs"
	DefaultEventsPrefix = "events"
)

// MaxTypeLength bounds a job type, in bytes.
const MaxTypeLength = 100

// ownPrefix is the first token of what our processes tell each other.
const ownPrefix = "oprun"

// What is wrong with a subject or a type, as fixed values: the worker parses every delivery, and fmt is slow.
var (
	errTypeLong    = errors.New("a job type has at most 100 characters")
	errTypeTokens  = errors.New("a job type has 2 to 6 words, with dots between them")
	errTypeForm    = errors.New("a job type's words begin with a-z and go on with a-z, 0-9 and _")
	errPrefix      = errors.New("subject prefix: its words are made of letters, digits, - and _, and the first is neither \"events\" nor \"oprun\"")
	errEvents      = errors.New("events prefix: its words are made of letters, digits, - and _, and the first is neither \"oprun\" nor that of the jobs")
	errForeign     = errors.New("it does not begin with the prefix")
	errNoScope     = errors.New("after the prefix comes tenant or workspace")
	errIDNotSpelt  = errors.New("after tenant or workspace comes a UUID, in lower case")
	errScopeNoType = errors.New("after the scope comes the job type")
)

// Subjects writes and reads the subjects of jobs: "<prefix>.tenant.<external id>.<job type>" and
// "<prefix>.workspace.<id>.<job type>". The zero value has the prefix "jobs". Beside them it writes those on which the
// ends of runs are told.
type Subjects struct {
	Prefix string // one or more words; "" is [DefaultPrefix]
	Events string // of terminal events, one or more words; "" is [DefaultEventsPrefix]
}

func (s Subjects) prefix() string { return cmp.Or(s.Prefix, DefaultPrefix) }

func (s Subjects) events() string { return cmp.Or(s.Events, DefaultEventsPrefix) }

// Validate reports a prefix that could not be part of a subject, or that would make jobs of terminal events or
// wake-ups.
func (s Subjects) Validate() error {
	jobs, events := strings.Split(s.prefix(), "."), strings.Split(s.events(), ".")
	if slices.ContainsFunc(jobs, notAWord) || jobs[0] == DefaultEventsPrefix || jobs[0] == ownPrefix {
		return errPrefix
	}
	if slices.ContainsFunc(events, notAWord) || events[0] == jobs[0] || events[0] == ownPrefix {
		return errEvents
	}
	return nil
}

func notAWord(word string) bool { return word == "" || strings.ContainsFunc(word, notInPrefix) }

func notInPrefix(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
}

// Subject returns the subject of a job. It does not check the type: see [ValidType].
func (s Subjects) Subject(scope dedupe.Scope, jobType string) string {
	return s.prefix() + "." + scope.String() + "." + jobType
}

// All returns the wildcard that all jobs match, the subject of the stream.
func (s Subjects) All() string { return s.prefix() + ".>" }

// Filter returns the subjects that jobs of these types match, in whatever scope: the filter of a consumer. They are
// sorted and without repeats, so that the same types give the same filter. No types give none, which is no filter.
func (s Subjects) Filter(jobTypes ...string) []string {
	if len(jobTypes) == 0 {
		return nil
	}
	types := slices.Compact(slices.Sorted(slices.Values(jobTypes)))
	for i, jobType := range types {
		types[i] = s.prefix() + ".*.*." + jobType
	}
	return types
}

// Parse reads what [Subjects.Subject] writes, and only that: an id in upper case would escape the permissions and
// filters that are written for the lower-case one. Its errors say what should stand there and quote nothing. On the
// good path it allocates nothing.
func (s Subjects) Parse(subject string) (dedupe.Scope, string, error) {
	rest, ok := strings.CutPrefix(subject, s.prefix())
	if !ok || rest == "" || rest[0] != '.' {
		return dedupe.Scope{}, "", errForeign
	}
	kindName, rest, _ := strings.Cut(rest[1:], ".")
	kind, err := dedupe.ParseScopeKind(kindName)
	if err != nil {
		return dedupe.Scope{}, "", errNoScope
	}
	idText, jobType, found := strings.Cut(rest, ".")
	id, ok := parseID(idText)
	if !ok {
		return dedupe.Scope{}, "", errIDNotSpelt
	}
	if !found {
		return dedupe.Scope{}, "", errScopeNoType
	}
	if err := ValidType(jobType); err != nil {
		return dedupe.Scope{}, "", err
	}
	return dedupe.Scope{Kind: kind, ID: id}, jobType, nil
}

// parseID reads a UUID in its one canonical spelling; uuid.Parse alone would take four others.
func parseID(text string) (uuid.UUID, bool) {
	if len(text) != 36 || strings.ContainsAny(text, "ABCDEF") {
		return uuid.Nil, false
	}
	id, err := uuid.Parse(text)
	return id, err == nil
}

// ValidType reports what is wrong with the spelling of a job type: two to six words with dots between them, each a
// lower-case letter and then lower-case letters, digits and underscores, [MaxTypeLength] characters in all. Whether
// the type exists is the catalogue's to say.
func ValidType(jobType string) error {
	if len(jobType) > MaxTypeLength {
		return errTypeLong
	}
	words, atStart := 1, true
	for i := range len(jobType) {
		c := jobType[i]
		switch {
		case 'a' <= c && c <= 'z':
			atStart = false
		case atStart:
			return errTypeForm
		case c == '.':
			words, atStart = words+1, true
		case c != '_' && (c < '0' || c > '9'):
			return errTypeForm
		}
	}
	if atStart {
		return errTypeForm
	}
	if words < 2 || words > 6 {
		return errTypeTokens
	}
	return nil
}

// Terminal returns the core NATS subject on which the end of a run is told, after its commit:
// "events.<outcome>.tenant.<external id>.<job type>", or with another prefix. It lies outside the prefix of jobs. "*" as the
// outcome makes the subject of all ends.
func (s Subjects) Terminal(outcome string, scope dedupe.Scope, jobType string) string {
	return s.events() + "." + outcome + "." + scope.String() + "." + jobType
}

// WakeSubject returns the core NATS subject on which the relays of a stream's workers are told that the ledger has a run
// to publish. It lies outside every prefix of jobs. Who dispatches needs the permission to publish there, and workers to
// subscribe; without it runs wait for a relay's next look.
func WakeSubject(stream string) string { return ownPrefix + ".wake." + stream }
