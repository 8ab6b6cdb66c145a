package oprun

import (
	"cmp"
	"slices"
	"strings"

	"github.com/google/uuid"

	"oprun.example/pkg/dedupe"
)

// machine is what the ledger promises, said a second time in plain Go: one step after another, and no clock. The state
// machine test holds the ledger to it.
type machine struct {
	runs      []*modelRun
	recorded  map[uuid.UUID]dedupe.Verdict // deliveries that joined or were skipped
	suspended bool
}

// modelRun is what the model knows of a run.
type modelRun struct {
	id             uuid.UUID
	identity       string
	status         string
	outcome        Outcome
	attempt, most  int
	token          uuid.UUID
	leaseOver      bool
	followUp, once bool
	hasInput       bool
	cancel         bool
	parked         bool
	retried        bool
	cools          bool // its success cools the identity down
}

// Policies of an identity, by the beginning of its name.
func follows(identity string) bool { return strings.HasPrefix(identity, "follow") }
func once(identity string) bool    { return strings.HasPrefix(identity, "once") }
func cools(identity string) bool   { return strings.HasPrefix(identity, "cool") }

func (m *machine) find(fits func(*modelRun) bool) *modelRun {
	if i := slices.IndexFunc(m.runs, fits); i >= 0 {
		return m.runs[i]
	}
	return nil
}

func (m *machine) run(id uuid.UUID) *modelRun {
	return m.find(func(r *modelRun) bool { return r.id == id })
}

// active returns the owner of an identity, or what waits behind it.
func (m *machine) active(identity string, followUp bool) *modelRun {
	return m.find(func(r *modelRun) bool {
		return r.identity == identity && r.followUp == followUp && r.status != "completed"
	})
}

// past returns the run that stands for its identity though it has ended.
func (m *machine) past(identity string) *modelRun {
	return m.find(func(r *modelRun) bool { return r.identity == identity && (r.once || r.cools) })
}

func (m *machine) add(r *modelRun) *modelRun {
	r.outcome = cmp.Or(r.outcome, Pending)
	m.runs = append(m.runs, r)
	return r
}

// end ends a run and promotes what waits behind it.
func (m *machine) end(r *modelRun, outcome Outcome) {
	owner := !r.followUp
	r.status, r.outcome, r.token, r.leaseOver, r.parked = "completed", outcome, uuid.Nil, false, false
	r.cools = cools(r.identity) && outcome == Succeeded
	if waiting := m.active(r.identity, true); owner && waiting != nil {
		waiting.followUp = false
	}
}

// claim is the verdict on a delivery, and what it does.
func (m *machine) claim(d Delivery, identity string) dedupe.Verdict {
	if own := m.run(d.RunID); own != nil {
		return m.claimOwn(own, d)
	}
	if verdict, ok := m.recorded[d.RunID]; ok {
		return verdict
	}
	verdict := m.claimNew(d, identity)
	switch {
	case m.run(d.RunID) != nil:
	case verdict == dedupe.Duplicate, verdict == dedupe.FollowUp, verdict == dedupe.Cooldown:
		m.recorded[d.RunID] = verdict
	}
	return verdict
}

func (m *machine) claimOwn(r *modelRun, d Delivery) dedupe.Verdict {
	switch {
	case r.status == "completed":
		return dedupe.Completed
	case r.followUp:
		return dedupe.FollowUp
	case r.status == "running" && !r.leaseOver, d.Named && !r.hasInput, m.suspended && r.status == "running":
		return dedupe.Busy
	case m.suspended:
		r.parked, r.hasInput = true, true
		return dedupe.Suspended
	case r.cancel:
		m.end(r, Cancelled)
		return dedupe.Cancelled
	case r.attempt >= r.most:
		m.end(r, Failed)
		return dedupe.Exhausted
	}
	r.status, r.token, r.leaseOver, r.parked = "running", d.Token, false, false
	r.attempt++
	return dedupe.Execute
}

func (m *machine) claimNew(d Delivery, identity string) dedupe.Verdict {
	owner := m.active(identity, false)
	fresh := &modelRun{id: d.RunID, identity: identity, most: d.MaxAttempts, once: once(identity)}
	switch {
	case owner != nil && follows(identity) && owner.status == "running":
		if m.active(identity, true) == nil {
			fresh.status, fresh.followUp, fresh.hasInput = "queued", true, true
			m.add(fresh)
		}
		return dedupe.FollowUp
	case owner != nil, once(identity) && m.past(identity) != nil:
		return dedupe.Duplicate
	case m.past(identity) != nil:
		return dedupe.Cooldown
	case m.suspended:
		fresh.status, fresh.parked, fresh.hasInput = "queued", true, true
		m.add(fresh)
		return dedupe.Suspended
	}
	fresh.status, fresh.attempt, fresh.token = "running", 1, d.Token
	m.add(fresh)
	return dedupe.Execute
}

// ensure returns the run that stands for a request in the ledger; nil means a new one, which the caller adds.
func (m *machine) ensure(identity string) (standing *modelRun, followUp bool) {
	owner := m.active(identity, false)
	switch {
	case owner == nil:
		return m.past(identity), false
	case follows(identity) && owner.status == "running":
		return m.active(identity, true), true
	default:
		return owner, false
	}
}

// sweep puts runs whose lease is over back into the queue, or ends them.
func (m *machine) sweep() {
	for _, r := range m.runs {
		switch {
		case r.status != "running" || !r.leaseOver:
		case r.cancel:
			m.end(r, Cancelled)
		case r.attempt >= r.most:
			m.end(r, Failed)
		default:
			r.status, r.token, r.leaseOver = "queued", uuid.Nil, false
		}
	}
}

// row is what both sides say of a run.
type row struct {
	ID       uuid.UUID
	Status   string
	Outcome  Outcome
	Attempt  int
	Most     int
	FollowUp bool
	Once     bool
	Parked   bool
	HasInput bool
}

// rows is what the model says of all runs.
func (m *machine) rows() (all []row) {
	for _, r := range m.runs {
		all = append(all, row{r.id, r.status, r.outcome, r.attempt, r.most, r.followUp, r.once, r.parked, r.hasInput})
	}
	return all
}
