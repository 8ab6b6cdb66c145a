package torture

import (
	"slices"
	"time"

	"github.com/google/uuid"
)

// request checks that what a client was told is true, and counts what became of the request.
func (a *audit) request(r *request) {
	before := len(a.violations)
	end := a.end(r)
	if r.Event == unknown {
		end = map[bool]string{true: happened, false: vanished}[a.accepted(r)]
	}
	for _, v := range a.violations[before:] {
		if end = lost; v.invariant != "I4" {
			end = misplaced
		}
	}
	a.sums[end]++
}

// end follows a request to where it ended.
func (a *audit) end(r *request) string {
	switch r.Way {
	case byLedger:
		return a.transaction(r)
	case hopeless:
		return a.hopeless(r)
	default:
		return a.published(r)
	}
}

// accepted tells of a request whose answer was lost whether it got through all the same.
func (a *audit) accepted(r *request) bool {
	if r.Way == byLedger {
		return len(a.business[r.Request]) > 0
	}
	return len(a.byRequest[r.Request]) > 0
}

// published checks a message: acknowledged means stored, and stored means that it ran or joined. All its copies are one
// occurrence (I5).
func (a *audit) published(r *request) string {
	copies := a.byRequest[r.Request]
	ids := map[uuid.UUID]bool{}
	for _, m := range copies {
		ids[m.runID] = true
	}
	switch {
	case len(ids) > 1:
		a.violates("I5", "request %d (%s): its messages are %d occurrences", r.Request, r.Type, len(ids))
	case r.Event == ok && len(copies) == 0:
		a.violates("I4", "request %d (%s): acknowledged as message %d, and the stream has it not", r.Request, r.Type, r.Seq)
	}
	for id := range ids {
		return a.served(r, id)
	}
	return turned
}

// served checks that the occurrence ran or joined. It may have done both: of two copies that are in hand as the owner
// ends, one joined it, and the other then ran, once (protocol.md §3).
func (a *audit) served(r *request, id uuid.UUID) string {
	own, hasRun := a.runs[id]
	met, hasJoined := a.joins[id]
	switch {
	case hasRun && hasJoined:
		a.own(r, own)
		a.joined(r, met.RunID)
		return both
	case hasRun:
		a.own(r, own)
		return ran
	case hasJoined:
		a.joined(r, met.RunID)
		return joined
	default:
		a.violates("I4", "request %d (%s): no run %s, and no recorded delivery", r.Request, r.Type, id)
	}
	return lost
}

// own checks the run that a request made: I11, and that the effect is for this request.
func (a *audit) own(r *request, is run) {
	a.explained[is.ID] = true
	if is.Type != r.Type || is.Scope != r.Scope {
		a.violates("I11", "request %d asked for %s of %s, run %s is %s of %s", r.Request, r.Type, r.Scope, is.ID, is.Type, is.Scope)
	}
	for _, e := range a.effects[is.ID] {
		if e.Request != r.Request {
			a.violates("I2", "run %s is request %d's and did the work of request %d", is.ID, r.Request, e.Request)
		}
	}
}

// joined checks the run that served a request it met: the same work, and not over before it was asked for.
func (a *audit) joined(r *request, id uuid.UUID) {
	by, there := a.runs[id]
	switch {
	case !there:
		a.violates("I4", "request %d (%s): it joined run %s, which the ledger has not", r.Request, r.Type, id)
	case by.Type != r.Type || by.Scope != r.Scope:
		a.violates("I11", "request %d asked for %s of %s and joined run %s, which is %s of %s", r.Request, r.Type, r.Scope, id, by.Type, by.Scope)
	case by.CompletedAt != nil && by.ChangedAt.Before(r.At) && !a.kinds[r.Type].remembers():
		a.violates("I4", "request %d (%s) joined run %s, which had ended before it was asked for", r.Request, r.Type, id)
	case len(a.claims[id]) > 0 && slices.MaxFunc(a.claims[id], time.Time.Compare).Before(r.At):
		a.violates("I6", "request %d (%s) joined run %s, which was claimed before it was asked for", r.Request, r.Type, id)
	}
}

// transaction checks a ledger-first request: the caller's row and the run are there together, or neither is.
func (a *audit) transaction(r *request) string {
	rows := a.business[r.Request]
	for _, id := range rows {
		a.explainBy(r, id)
	}
	switch {
	case len(rows) > 1:
		a.violates("I5", "request %d (%s): its caller's row is there %d times", r.Request, r.Type, len(rows))
	case len(r.agreed) > 1:
		a.violates("I5", "request %d (%s): its callers were named %d runs", r.Request, r.Type, len(r.agreed))
	case r.Event == ok && len(rows) == 0:
		a.violates("I4", "request %d (%s): committed, and the caller's row is gone", r.Request, r.Type)
	case r.Event == refused && len(rows) > 0:
		a.violates("I5", "request %d (%s): aborted, and the caller's row is there", r.Request, r.Type)
	}
	if len(rows) == 0 {
		for id := range r.runs {
			if _, there := a.runs[id]; there && r.makes(id) {
				a.explained[id] = true
				a.violates("I5", "request %d (%s): its transaction did not commit, and its run %s is there", r.Request, r.Type, id)
			}
		}
		return turned
	}
	if r.makes(rows[0]) {
		return ran
	}
	if r.RequestID != "" && a.joins[r.RunID].RunID != rows[0] {
		a.violates("I4", "request %d (%s): it joined run %s, and no delivery of it is recorded", r.Request, r.Type, rows[0])
	}
	a.joined(r, rows[0])
	return joined
}

// explainBy checks the run that a committed caller was named.
func (a *audit) explainBy(r *request, id uuid.UUID) {
	is, there := a.runs[id]
	switch {
	case !there:
		a.violates("I4", "request %d (%s): committed, and its run %s is not there", r.Request, r.Type, id)
	case r.makes(id):
		a.own(r, is)
	}
}

// hopeless checks that a message that can never run is kept.
func (a *audit) hopeless(r *request) string {
	if r.Event != ok {
		return turned
	}
	if a.letters[r.Seq] == "" {
		a.violates("I4", "request %d: message %d can never run, and is no dead letter", r.Request, r.Seq)
	}
	return buried
}

// message checks that everything in the clients' stream has an end, whatever its client was told (I10).
func (a *audit) message(m message) {
	_, hasRun := a.runs[m.runID]
	_, hasJoined := a.joins[m.runID]
	isLetter := a.letters[m.seq] != ""
	switch {
	case m.bad && !isLetter:
		a.violates("I10", "message %d can never run, and is no dead letter", m.seq)
	case !m.bad && !hasRun && !hasJoined && !isLetter:
		a.violates("I10", "message %d (request %d) has no run %s, no recorded delivery and no dead letter", m.seq, m.request, m.runID)
	}
}
