package events

import (
	"fmt"
	"strings"
	"text/tabwriter"
)

// Plan is the difference between what the servers have and what a [Topology] wants. The zero value has none.
type Plan struct {
	Changes []Change `json:"changes"`

	stream   write[streamConfig]
	consumer write[consumerConfig]
}

// Change is one field of a stream or a consumer that differs.
type Change struct {
	Object string `json:"object"` // "stream JOBS", "consumer oprun"
	Field  string `json:"field"`  // as the server's JSON API spells it: "max_age"
	From   string `json:"from"`   // "" when the object does not exist yet
	To     string `json:"to"`

	Destructive  bool   `json:"destructive"`            // it deletes messages, or hides them from the consumer
	Unchangeable string `json:"unchangeable,omitempty"` // why no server can make this change; "" when it can
}

// String returns the change on one line.
func (c Change) String() string {
	from := c.From
	if from == "" {
		from = "-"
	}
	line := c.Object + " " + c.Field + ": " + from + " -> " + c.To
	if c.Unchangeable != "" {
		line += " (" + c.Unchangeable + ")"
	}
	return line
}

// String returns the plan as a table for people, "no changes\n" when it is empty.
func (p Plan) String() string {
	if len(p.Changes) == 0 {
		return "no changes\n"
	}
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "OBJECT\tFIELD\tFROM\tTO\tNOTE")
	for _, c := range p.Changes {
		from, note := c.From, c.Unchangeable
		if from == "" {
			from = "-"
		}
		if c.Destructive && note == "" {
			note = "destructive"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", c.Object, c.Field, from, c.To, note)
	}
	_ = table.Flush() // a Builder takes everything
	return text.String()
}

func (p Plan) only(wanted func(Change) bool) []Change {
	var some []Change
	for _, c := range p.Changes {
		if wanted(c) {
			some = append(some, c)
		}
	}
	return some
}

// DestructiveError refuses changes that would delete messages or hide them from the consumer.
type DestructiveError struct {
	Changes []Change
}

// Error names the changes and how to make them all the same.
func (e *DestructiveError) Error() string {
	return "topology: these changes may lose jobs, use force (--force) to make them: " + joinChanges(e.Changes)
}

// UnchangeableError refuses changes that no server can make to a stream or consumer that exists.
type UnchangeableError struct {
	Changes []Change
}

// Error names the changes and the way around.
func (e *UnchangeableError) Error() string {
	return "topology: these cannot be changed, use another name, or delete the object by hand: " + joinChanges(e.Changes)
}

func joinChanges(changes []Change) string {
	lines := make([]string, len(changes))
	for i, c := range changes {
		lines[i] = c.String()
	}
	return strings.Join(lines, "; ")
}

// action is what [Topology.Apply] does with an object.
type action uint8

const (
	keep action = iota
	create
	update
)

// write is an action with the whole config to write, which is the server's own but for the fields that changed:
// the server resets what an update leaves out.
type write[C any] struct {
	action action
	config C
}

// diff adds to the plan in what have differs from want, field by field, and returns what to write. A nil have does
// not exist.
func diff[C any](plan *Plan, object string, fields []ownField[C], have *C, want C) write[C] {
	w := write[C]{keep, want}
	if have == nil {
		w.action = create
	} else {
		w.config = *have
	}
	for _, f := range fields {
		c := Change{Object: object, Field: f.name, To: f.show(&want)}
		if have != nil {
			if c.From = f.show(have); c.From == c.To {
				continue
			}
			c.Destructive = f.destructive != nil && f.destructive(have, &want)
			if f.unchangeable != nil {
				c.Unchangeable = f.unchangeable(have, &want)
			}
			w.action = update
			f.set(&w.config, &want)
		}
		plan.Changes = append(plan.Changes, c)
	}
	return w
}
