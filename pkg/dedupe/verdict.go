package dedupe

import "fmt"

// Verdict is the ledger's answer to one delivery (docs/protocol.md §4).
type Verdict uint8

// The verdicts. The zero value is no verdict.
const (
	Execute    Verdict = iota + 1 // it owns its identity: run it
	Duplicate                     // another run owns the identity: skip it
	FollowUp                      // it waits behind the running owner
	Completed                     // this run has ended already
	Cooldown                      // the identity succeeded too recently
	Busy                          // another attempt holds this run, or another transaction this identity
	NotDue                        // the run is for later: the relay will publish it
	Exhausted                     // its attempts are used up: it has ended as failed
	Cancelled                     // cancel was requested: it has ended as cancelled
	Suspended                     // its tenant is suspended: it is parked
	UnknownRun                    // it names a run that the ledger has not in this scope
	Rejected                      // it can never run: it belongs to the dead letters
)

var verdictNames = [...]string{
	Execute: "execute", Duplicate: "duplicate", FollowUp: "follow_up", Completed: "completed", Cooldown: "cooldown",
	Busy: "busy", NotDue: "not_due", Exhausted: "exhausted", Cancelled: "cancelled", Suspended: "suspended",
	UnknownRun: "unknown_run", Rejected: "rejected",
}

// Verdicts returns every verdict, in the order of the protocol's table.
func Verdicts() []Verdict {
	all := make([]Verdict, 0, len(verdictNames)-1)
	for v := Execute; v <= Rejected; v++ {
		all = append(all, v)
	}
	return all
}

// String returns the verdict as it is spelled in SQL, metrics and pages.
func (v Verdict) String() string {
	if v == 0 || int(v) >= len(verdictNames) {
		return fmt.Sprintf("verdict %d", uint8(v))
	}
	return verdictNames[v]
}

// ParseVerdict reads what [Verdict.String] writes.
func ParseVerdict(s string) (Verdict, error) {
	for v := Execute; v <= Rejected; v++ {
		if verdictNames[v] == s {
			return v, nil
		}
	}
	return 0, fmt.Errorf("unknown verdict %q", s)
}
