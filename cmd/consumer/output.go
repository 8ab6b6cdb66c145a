package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"oprun.example/pkg/oprun"
)

const (
	tableOutput  = "table"
	ndjsonOutput = "ndjson"
)

const (
	maxCell = 100    // characters of one cell among many
	maxText = 10_000 // characters of one value that is shown by itself
)

// column is one column of a table, or one line of a single thing.
type column[T any] struct {
	name string
	text func(T) string
}

// with makes the columns of a part fit the whole.
func with[Whole, Part any](columns []column[Part], part func(Whole) Part) []column[Whole] {
	lines := make([]column[Whole], len(columns))
	for i, c := range columns {
		lines[i] = column[Whole]{c.name, func(whole Whole) string { return c.text(part(whole)) }}
	}
	return lines
}

// printList writes many things: a table with one row for each, a JSON array, or one JSON value on each line.
func printList[T any](a *app, list []T, columns []column[T]) error {
	switch a.Output {
	case tableOutput:
		return printTable(a.out, list, columns)
	case ndjsonOutput:
		for _, item := range list {
			if err := printJSON(a.out, item, ""); err != nil {
				return err
			}
		}
		return nil
	default:
		return printJSON(a.out, append([]T{}, list...), "  ") // [] and not null
	}
}

// printOne writes one thing: a line for each column that has a text, or one JSON object.
func printOne[T any](a *app, item T, columns []column[T]) error {
	switch a.Output {
	case tableOutput:
		return printLines(a.out, item, columns)
	case ndjsonOutput:
		return printJSON(a.out, item, "")
	default:
		return printJSON(a.out, item, "  ")
	}
}

func printTable[T any](w io.Writer, list []T, columns []column[T]) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.name
	}
	fmt.Fprintln(table, strings.Join(names, "\t"))
	for _, item := range list {
		cells := make([]string, len(columns))
		for i, c := range columns {
			cells[i] = cell(c.text(item), maxCell)
		}
		fmt.Fprintln(table, strings.Join(cells, "\t"))
	}
	return table.Flush()
}

func printLines[T any](w io.Writer, item T, columns []column[T]) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, c := range columns {
		if text := c.text(item); text != "" {
			fmt.Fprintf(table, "%s\t%s\n", c.name, cell(text, maxText))
		}
	}
	return table.Flush()
}

// cell is a text as it may stand in a terminal: part of it was written by strangers.
func cell(text string, limit int) string {
	if text = oprun.OneLine(text, limit); text == "" {
		return "-"
	}
	return text
}

func printJSON(w io.Writer, value any, indent string) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", indent)
	if err := encoder.Encode(value); err != nil {
		return fmt.Errorf("write json: %w", err)
	}
	return nil
}

// moment is a time in a table, in UTC.
func moment(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// optional is the text of what may be missing.
func optional[T any](value *T, text func(T) string) string {
	if value == nil {
		return ""
	}
	return text(*value)
}

// pairs lists a map as "a=1 b=2", by name.
func pairs[K ~string, V any](m map[K]V) string {
	texts := make([]string, 0, len(m))
	for _, name := range slices.Sorted(maps.Keys(m)) {
		texts = append(texts, fmt.Sprintf("%s=%v", name, m[name]))
	}
	return strings.Join(texts, " ")
}
