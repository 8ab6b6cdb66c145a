package model

import (
	"fmt"
	"strings"
)

// Violation is a way to break an invariant.
type Violation struct {
	Invariant Invariant
	Trace     []string // the steps from the beginning; the shortest there is
	// Stuck: every step was fine, but from here nothing leads to the end any more.
	Stuck bool
}

// String tells the counterexample, a step a line.
func (v *Violation) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s is broken", v.Invariant)
	if v.Stuck {
		b.WriteString(": without further faults, nothing leads from here to the end of every accepted request")
	}
	for i, step := range v.Trace {
		fmt.Fprintf(&b, "\n  %2d %s", i+1, step)
	}
	return b.String()
}

// Result is what a search found.
type Result struct {
	States, Steps int
	Complete      bool            // every state was seen
	Taken         map[string]bool // the kinds of steps that led to a new state
	Violation     *Violation
}

// Search visits the states of a configuration, nearest first, at most limit of them, and returns the first violation.
// Liveness is asked about only when all states were seen.
func Search(c Config, limit int) Result {
	s := &search{config: &c}
	s.visit(&state{faults: c.Faults}, -1)
	result := Result{Taken: map[string]bool{}}
	for at := int32(0); int(at) < s.states.count; at++ {
		s.steps = c.steps(s.states.at(at), s.steps[:0])
		steps := s.steps
		result.Steps += len(steps)
		for i := range steps {
			if broken := c.check(&steps[i].next); broken != Holds {
				result.States, result.Violation = s.states.count, &Violation{Invariant: broken, Trace: s.trace(at, &steps[i])}
				return result
			}
			to, isNew := s.visit(&steps[i].next, at)
			if isNew {
				result.Taken[steps[i].note.format] = true
			}
			if !steps[i].fault {
				s.edges = append(s.edges, edge{at, to})
			}
		}
		if s.states.count > limit {
			result.States = s.states.count
			return result
		}
	}
	result.States, result.Complete = s.states.count, true
	if stuck := s.stuck(); stuck >= 0 {
		result.Violation = &Violation{Invariant: c.unfinished(s.states.at(stuck)), Trace: s.trace(stuck, nil), Stuck: true}
	}
	return result
}

// search is what has been seen: states in the order of their distance, and the steps between them that are no faults.
type search struct {
	config *Config
	states shelf
	parent []int32
	index  index
	edges  []edge
	steps  []branch // of the state that is looked at
}

type edge struct{ from, to int32 }

// visit returns the number of a state, giving it one when it is new.
func (s *search) visit(next *state, from int32) (at int32, isNew bool) {
	if at, isNew = s.index.place(next, &s.states); isNew {
		s.states.add(next)
		s.parent = append(s.parent, from)
	}
	return at, isNew
}

// trace tells how a state is reached, and the step that follows. It finds the words by going the way again.
func (s *search) trace(at int32, last *branch) []string {
	var notes []string
	if last != nil {
		notes = append(notes, last.note.String())
	}
	for ; s.parent[at] >= 0; at = s.parent[at] {
		for _, step := range s.config.steps(s.states.at(s.parent[at]), nil) {
			if step.next == *s.states.at(at) {
				notes = append(notes, step.note.String())
				break
			}
		}
	}
	for i, j := 0, len(notes)-1; i < j; i, j = i+1, j-1 {
		notes[i], notes[j] = notes[j], notes[i]
	}
	return notes
}

// stuck returns a state from which no way without faults leads to the end; none: -1. It is the nearest where nothing
// at all goes on, if there is one: that is the easiest to understand.
func (s *search) stuck() int32 {
	good := make([]bool, s.states.count)
	var reached []int32
	for i := range good {
		if s.config.done(s.states.at(int32(i))) {
			good[i] = true
			reached = append(reached, int32(i))
		}
	}
	before := s.predecessors()
	for len(reached) > 0 {
		at := reached[len(reached)-1]
		reached = reached[:len(reached)-1]
		for e := before.first[at]; e >= 0; e = before.next[e] {
			if from := s.edges[e].from; !good[from] {
				good[from] = true
				reached = append(reached, from)
			}
		}
	}
	goesOn := make([]bool, s.states.count)
	for _, e := range s.edges {
		goesOn[e.from] = goesOn[e.from] || e.from != e.to
	}
	nearest := int32(-1)
	for i := range good {
		switch {
		case !good[i] && !goesOn[i]:
			return int32(i)
		case !good[i] && nearest < 0:
			nearest = int32(i)
		}
	}
	return nearest
}

// links are the edges that lead to each state, as lists in two arrays.
type links struct{ first, next []int32 }

func (s *search) predecessors() links {
	l := links{make([]int32, s.states.count), make([]int32, len(s.edges))}
	for i := range l.first {
		l.first[i] = -1
	}
	for e, edge := range s.edges {
		l.next[e] = l.first[edge.to]
		l.first[edge.to] = int32(e)
	}
	return l
}
