package torture

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"oprun.example/pkg/catalog"
)

// audit holds what happened to what was promised.
type audit struct {
	*facts
	kinds      map[string]kind
	requests   map[int]*request
	explained  map[uuid.UUID]bool // runs that a request accounts for
	sums       map[string]int     // requests by what became of them
	violations []violation
}

// violation is an invariant that did not hold, with the ids that tell where.
type violation struct{ invariant, text string }

// What becomes of a request.
const (
	ran       = "ran"               // it had a run of its own
	joined    = "joined"            // the run that it met served it
	both      = "ran and joined"    // of two copies in hand as an owner ended, each one thing
	buried    = "dead letter"       // it could never run, and is kept
	turned    = "refused"           // never accepted
	happened  = "unknown, happened" // its answer was lost, and it was accepted
	vanished  = "unknown, did not"  // its answer was lost, and it was not
	lost      = "lost"
	misplaced = "doubled"
)

// audit reads everything and checks it. Counters are what the consumers told.
func (s *stage) audit(ctx context.Context, counters map[string]int) (*audit, error) {
	a := &audit{kinds: map[string]kind{}, explained: map[uuid.UUID]bool{}, sums: map[string]int{}}
	for _, k := range s.kinds {
		a.kinds[k.jobType] = k
	}
	var err error
	if a.requests, err = s.history.requests(); err != nil {
		return nil, err
	}
	if a.facts, err = s.facts(ctx); err != nil {
		return nil, err
	}
	for _, b := range a.seen {
		a.violates(b.Invariant, "run %s: %s", b.RunID, b.Detail)
	}
	for _, r := range a.requests {
		a.request(r)
	}
	for _, m := range a.messages {
		a.message(m)
	}
	for _, r := range a.runs {
		a.run(r)
	}
	a.schedules()
	for id := range a.effects {
		if _, there := a.runs[id]; !there {
			a.violates("I2", "effect of run %s, which the ledger has not", id)
		}
	}
	a.counters(counters)
	return a, nil
}

func (a *audit) violates(invariant, format string, args ...any) {
	a.violations = append(a.violations, violation{invariant, fmt.Sprintf(format, args...)})
}

// drained says what was left when nothing moved any more.
func (a *audit) drained(r rest) {
	if r.err != nil {
		a.violates("I4", "the drain could not look: %v", r.err)
	}
	if r.active > 0 {
		a.violates("I4", "%d runs are active, and nothing moves", r.active)
	}
	if r.pending > 0 {
		a.violates("I10", "%d messages wait or are not acknowledged, and nothing moves", r.pending)
	}
}

// schedules checks that each fire time made one run for each scope, however many consumers saw it come (I5).
func (a *audit) schedules() {
	made := map[string]uuid.UUID{}
	for _, r := range a.runs {
		if r.FireTime == nil {
			continue
		}
		fire := r.Type + " of " + r.Scope + " at " + *r.FireTime
		if other, twice := made[fire]; twice {
			a.violates("I5", "%s has runs %s and %s", fire, r.ID, other)
		}
		made[fire] = r.ID
	}
}

// run checks a row of the ledger by itself: I2, I4, I7, I13.
func (a *audit) run(r run) {
	k, effects, house := a.kinds[r.Type], a.effects[r.ID], (*catalog.Catalog)(nil).IsBuiltin(r.Type)
	succeeded := r.Outcome == "succeeded" || r.Outcome == "partially_succeeded"
	switch {
	case r.CompletedAt == nil && r.FireTime != nil: // its schedule fired while the consumers were stopped
	case r.CompletedAt == nil:
		a.violates("I4", "run %s (%s) has not ended", r.ID, r.Type)
	case house:
	case r.Outcome != string(k.want) && r.Outcome != string(k.or):
		a.violates("I7", "run %s (%s) ended %s after attempt %d of %d, want %s", r.ID, r.Type, r.Outcome, r.Attempt, r.MaxAttempts, k.want)
	}
	if len(effects) > 1 || !house && succeeded != (len(effects) == 1) {
		a.violates("I2", "run %s (%s): %s with %d effects", r.ID, r.Type, r.Outcome, len(effects))
	}
	if r.Attempt > r.MaxAttempts {
		a.violates("I7", "run %s (%s): attempt %d of %d", r.ID, r.Type, r.Attempt, r.MaxAttempts)
	}
	for _, e := range effects {
		if e.Attempt != r.Attempt {
			a.violates("I9", "run %s (%s): its effect is of attempt %d, it ended in attempt %d", r.ID, r.Type, e.Attempt, r.Attempt)
		}
	}
	if succeeded && !house && (r.Processed == nil || *r.Processed != r.Attempt) {
		a.violates("I13", "run %s (%s): its counts are not those of attempt %d", r.ID, r.Type, r.Attempt)
	}
	if !a.explained[r.ID] && r.FireTime == nil {
		a.violates("I5", "run %s (%s): nobody asked for it", r.ID, r.Type)
	}
}

// counters checks I12: what was counted has a row. Less may have been counted: a process that is killed takes its last
// counts with it.
func (a *audit) counters(told map[string]int) {
	rows := map[string]int{}
	for _, r := range a.runs {
		rows[r.Type+" "+r.Outcome]++
	}
	for name, n := range told {
		if n > rows[name] {
			a.violates("I12", "%s: %d counted, %d rows", name, n, rows[name])
		}
	}
}
