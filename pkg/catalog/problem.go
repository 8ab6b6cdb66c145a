package catalog

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// Problem is one mistake in a catalogue.
type Problem struct {
	File  string // empty in a catalogue made in Go
	Line  int    // 0 when the mistake has no line
	Field string // the path to the field, as in jobs[assignments.fetch].lease
	Text  string // what is wrong and how to mend it
}

// String returns "file:line: field: text".
func (p Problem) String() string {
	where := p.File
	if p.Line > 0 {
		where += ":" + strconv.Itoa(p.Line)
	}
	parts := slices.DeleteFunc([]string{where, p.Field, p.Text}, func(s string) bool { return s == "" })
	return strings.Join(parts, ": ")
}

// Problems is every mistake found in a catalogue, in the order of its lines. It is the error of [New], [Parse],
// [Load] and [Handler.Expand], to be had by errors.As.
type Problems []Problem

// Error returns one line for each problem.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i := range p {
		lines[i] = p[i].String()
	}
	return strings.Join(lines, "\n")
}

// entry is the path to what a section holds under a name. The brackets tell the job a.b.lease from the lease of a.b.
func entry(section, name string) string { return section + "[" + printable(name) + "]" }

// item is the path to one of a list.
func item(list string, i int) string { return list + "[" + strconv.Itoa(i) + "]" }

// source knows where each field of a catalogue is written. That of a catalogue made in Go knows nothing.
type source struct {
	file  string
	lines map[string]int // by the path of the field
}

// line returns the line of a field, or of what holds it when it is not written at all.
func (s source) line(field string) int {
	for field != "" {
		if line, ok := s.lines[field]; ok {
			return line
		}
		field = field[:max(strings.LastIndexAny(field, ".["), 0)]
	}
	if s.file == "" {
		return 0
	}
	return 1
}

// report collects the problems of one catalogue.
type report struct {
	source
	problems Problems
	unread   []string // fields whose value could not be read: the rules have nothing to say about them
}

func (r *report) add(field, format string, args ...any) {
	r.addAt(r.line(field), field, fmt.Sprintf(format, args...))
}

func (r *report) addAt(line int, field, text string) {
	r.problems = append(r.problems, Problem{r.file, line, field, text})
}

// breaks adds a broken rule, unless the field, a part of it or what holds it could not be read: then that is the
// mistake, and the rule a consequence.
func (r *report) breaks(field, format string, args ...any) {
	for _, bad := range r.unread {
		if within(bad, field) || within(field, bad) {
			return
		}
	}
	r.add(field, format, args...)
}

// within says whether one path leads to another or into it.
func within(outer, field string) bool {
	rest, ok := strings.CutPrefix(field, outer)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

func (r *report) err() error {
	if len(r.problems) == 0 {
		return nil
	}
	r.sort()
	return r.problems
}

// sort puts the problems in the order of their lines.
func (r *report) sort() {
	slices.SortStableFunc(r.problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Field, b.Field))
	})
}

// printable makes a name or a value that somebody else wrote fit into a line.
func printable(name string) string {
	const longestName = 100
	runes := []rune(name)
	if len(runes) > longestName {
		runes = append(runes[:longestName], '…')
	}
	for i, r := range runes {
		if !unicode.IsPrint(r) {
			runes[i] = '?'
		}
	}
	return string(runes)
}
