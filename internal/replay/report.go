package replay

import (
	"cmp"
	"slices"
	"time"

	"github.com/google/uuid"

	"oprun.example/pkg/oprun"
)

// Verdict is what became of a message.
type Verdict string

// The verdicts. Effects come of Ran alone.
const (
	Done       Verdict = "already_done" // its run had ended before the replay began, and nothing happened
	Joined     Verdict = "joined"       // another run of its identity stands for it
	Repeated   Verdict = "repeated"     // it is one request, or one run, with another message that ran
	Ran        Verdict = "ran"          // its run has ended since
	Active     Verdict = "active"       // its run has not ended
	DeadLetter Verdict = "dead_letter"  // it can never run
	Refused    Verdict = "refused"      // it was not published
	Waiting    Verdict = "waiting"      // the ledger has nothing of it
	WouldRun   Verdict = "would_run"    // in a dry run: the ledger has nothing of it, and a replay has it run
	Published  Verdict = "published"    // when nobody waits for more
)

// Row counts messages of one type of which the same became.
type Row struct {
	Type     string  `json:"type"`
	Verdict  Verdict `json:"verdict"`
	Detail   string  `json:"detail,omitempty"` // the outcome of the run, or the reason
	Messages int     `json:"messages"`
}

// Report is what a replay did.
type Report struct {
	ReplayID  uuid.UUID     `json:"replay_id"`
	AsNew     bool          `json:"as_new"`
	DryRun    bool          `json:"dry_run"`
	Stream    string        `json:"stream"`
	Messages  int           `json:"messages"`    // that were meant
	Published int           `json:"published"`   // that the stream has taken
	Refused   int           `json:"refused"`     // that were not published, for a reason in the rows
	Unsettled int           `json:"unsettled"`   // that were published, and of which the ledger does not know the end
	Behind    bool          `json:"behind"`      // the consumer had not passed the last message when the time to wait was up
	Effects   int           `json:"new_effects"` // runs that have ended since the replay began: 0 where everything had been done
	Rows      []Row         `json:"rows"`
	Seconds   float64       `json:"seconds"` // Took, as other reports of ours have it
	Took      time.Duration `json:"-"`
}

// Settled reports whether everything that was published has come to its end, as far as somebody waited for it.
func (r Report) Settled() bool { return r.Unsettled == 0 && !r.Behind }

// kind is what messages are counted by.
type kind struct {
	label   string
	verdict Verdict
	detail  string
}

type tally map[kind]int

func (t tally) add(label string, verdict Verdict, detail string, n int) {
	t[kind{label, verdict, detail}] += n
}

func (t tally) rows() []Row {
	rows := make([]Row, 0, len(t))
	for k, n := range t {
		rows = append(rows, Row{k.label, k.verdict, k.detail, n})
	}
	slices.SortFunc(rows, func(a, b Row) int {
		return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.Verdict, b.Verdict), cmp.Compare(a.Detail, b.Detail))
	})
	return rows
}

// classify counts a message by what the ledger has of it, and reports whether that is its end. A run that had ended when
// the replay began, by the database's clock, is final (I8): the message had no effect.
func (r *replay) classify(label string, has oprun.Account) (settled bool) {
	switch {
	case has.Run != uuid.Nil && has.EndedAt.IsZero():
		return false
	case has.Run != uuid.Nil && has.EndedAt.Before(r.memory.Now):
		r.tally.add(label, Done, string(has.Outcome), 1)
	case has.Run != uuid.Nil:
		r.classifyRan(label, has)
	case has.Joined != uuid.Nil:
		r.tally.add(label, Joined, "", 1)
	case has.DeadLetter != uuid.Nil:
		r.tally.add(label, DeadLetter, "", 1)
	default:
		return false
	}
	return true
}

func (r *replay) classifyRan(label string, has oprun.Account) {
	if _, counted := r.ran[has.Run]; counted {
		r.tally.add(label, Repeated, "", 1)
		return
	}
	r.ran[has.Run] = struct{}{}
	r.report.Effects++
	r.tally.add(label, Ran, string(has.Outcome), 1)
}

// foretell counts a message of a dry run.
func (r *replay) foretell(i *item, has oprun.Account) {
	switch {
	case has.Run != uuid.Nil && has.EndedAt.IsZero():
		r.tally.add(i.label, Active, "", 1)
	case has.Run != uuid.Nil || has.Joined != uuid.Nil:
		r.classify(i.label, has)
	default:
		if _, counted := r.ran[i.run]; counted {
			r.tally.add(i.label, Repeated, "", 1)
			return
		}
		r.ran[i.run] = struct{}{}
		r.tally.add(i.label, WouldRun, "", 1)
	}
}

// leave counts a message that has not come to its end.
func (r *replay) leave(label string, has oprun.Account) {
	r.report.Unsettled++
	if has.Run != uuid.Nil {
		r.tally.add(label, Active, "", 1)
		return
	}
	r.tally.add(label, Waiting, "", 1)
}
