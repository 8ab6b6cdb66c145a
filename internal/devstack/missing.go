package devstack

import (
	"fmt"
	"strings"
)

// MissingError says that programs this package runs were not found and could not be unpacked. Its text lists what was looked
// for and what to type. A command that gets it exits with 3 (a needed service is missing).
type MissingError struct {
	// What is missing, and from which version on it would do.
	What string
	// Looked has one line for every place and what was wrong with it, in the order of the search.
	Looked []string
	// Hint says what to type.
	Hint string
}

// Error is several lines: the fact, the places, the hint.
func (e *MissingError) Error() string {
	var text strings.Builder
	fmt.Fprintf(&text, "no %s to run; looked for:\n", e.What)
	for _, line := range e.Looked {
		fmt.Fprintf(&text, "  - %s\n", line)
	}
	text.WriteString(e.Hint)
	return text.String()
}

func (e *MissingError) look(format string, args ...any) {
	e.Looked = append(e.Looked, fmt.Sprintf(format, args...))
}
