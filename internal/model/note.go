package model

import (
	"fmt"
	"strings"
)

// A note says what a step does. It is words and two places for references, so that it costs nothing until a
// counterexample is told.
type note struct {
	format string
	about  [2]word
}

// word is a reference in a note.
type word struct {
	kind wordKind
	ref  uint8
}

type wordKind uint8

const (
	noWord wordKind = iota
	runWord
	requestWord
	againWord
	stageWord
	runsWord // a bit for each
)

var blank = word{}

func runNote(ref uint8) word     { return word{runWord, ref} }
func requestNote(ref uint8) word { return word{requestWord, ref} }

// subject is what a delivery is about.
func (w *worker) subject() word {
	return message{named: w.named, key: w.key, nth: w.nth}.subject()
}

func (m message) subject() word {
	switch {
	case m.named:
		return runNote(m.key)
	case m.nth > 0:
		return word{againWord, m.key}
	default:
		return requestNote(m.key)
	}
}

// fate is where a worker now stands.
func (w *worker) fate() word { return word{stageWord, uint8(w.stage)} }

func (w word) String() string {
	switch w.kind {
	case runWord:
		return fmt.Sprintf("run %d", w.ref)
	case requestWord:
		return fmt.Sprintf("request %d", w.ref)
	case againWord:
		return fmt.Sprintf("request %d, published again,", w.ref)
	case stageWord:
		return stageNames[w.ref]
	case runsWord:
		return runsText(w.ref)
	case noWord:
	}
	return ""
}

func runsText(runs uint8) string {
	var each []string
	for ref := uint8(1); ref <= maxRuns; ref++ {
		if runs&(1<<ref) != 0 {
			each = append(each, runNote(ref).String())
		}
	}
	return strings.Join(each, " and ")
}

func (n note) String() string {
	switch {
	case n.about[0].kind == noWord:
		return n.format
	case n.about[1].kind == noWord:
		return fmt.Sprintf(n.format, n.about[0])
	default:
		return fmt.Sprintf(n.format, n.about[0], n.about[1])
	}
}

var stageNames = [...]string{
	idle: "idle", delivered: "to be claimed", inserting: "inserting", missed: "to be looked up", judging: "being looked up",
	waiting: "to wait as a follow-up", parking: "being parked", executing: "executing", gathered: "waiting for its group", effected: "executing", failing: "failing",
	asking: "asking", acking: "to be acked", naking: "to be naked",
}
