package jobs

import (
	"bytes"
	"context"
	"encoding/hex"
	"slices"
	"time"

	"github.com/google/uuid"

	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
	"oprun.example/pkg/oprun"
)

// shadowItem is a record that a shadow makes something of.
type shadowItem struct {
	delivery
	question oprun.Delivery
	note     oprun.ShadowNote
	refusal  error // what is wrong with the message itself
}

// span is how long the ledger had a run, and what kept its identity from running again.
type span struct {
	run        oprun.Run
	begin, end time.Time
}

// item decodes a record. It is nil when it is of a type that is not to be played.
func (s *Shadow) item(m events.Message) *shadowItem {
	i := &shadowItem{delivery: delivery{message: m, token: uuid.New()}}
	job, err := s.codec.Decode(m)
	if !s.wanted(job.Type) {
		return nil
	}
	i.job, i.spec = job, s.specs[job.Type]
	if err == nil {
		i.question, err = i.delivery.question(i.spec != nil)
	}
	i.refusal = err
	i.note = oprun.ShadowNote{
		Place: oprun.Place{RunID: i.runID(), Stream: m.Stream, Seq: m.Seq, StoredAt: m.StoredAt}, Scope: job.Scope, Type: job.Type,
	}
	return i
}

// runID is the run that the message names or would make; for one that cannot be read, what it would make if it said nothing
// of itself.
func (i *shadowItem) runID() uuid.UUID {
	switch {
	case i.job.RunID != uuid.Nil:
		return i.job.RunID
	case i.job.Occurrence != (dedupe.Occurrence{}):
		return i.job.Occurrence.RunID(i.job.Scope, i.job.Type)
	default:
		m := i.message
		return dedupe.ByPlace(m.Stream, m.Seq, m.StoredAt).RunID(i.job.Scope, i.job.Type)
	}
}

// known is what ledger and shadow have of a batch of records.
type known struct {
	judged map[uuid.UUID]oprun.Judged // by the record's own id
	runs   map[uuid.UUID]oprun.Run    // the ledger's
	hashes map[uuid.UUID][]byte       // of what was played, also in this batch
}

// look asks about a batch. What has been played before is dropped from it.
func (p *shadowPlay) look(ctx context.Context, items []*shadowItem) (fresh []*shadowItem, k known, err error) {
	ids, places := make([]uuid.UUID, len(items)), make([]oprun.Place, len(items))
	for n, i := range items {
		ids[n], places[n] = i.note.RunID, i.note.Place
	}
	judged, err := p.ledger.Verdicts(ctx, places)
	if err != nil {
		return nil, k, err
	}
	k = known{judged: make(map[uuid.UUID]oprun.Judged, len(items)), runs: make(map[uuid.UUID]oprun.Run, len(items))}
	var owners []uuid.UUID
	for n, j := range judged {
		k.judged[ids[n]] = j
		if j.RunID != uuid.Nil {
			owners = append(owners, j.RunID)
		}
	}
	ids = slices.Concat(ids, owners)
	if k.hashes, err = p.made.Noted(ctx, ids); err != nil {
		return nil, k, err
	}
	runs, err := p.ledger.RunsByID(ctx, ids)
	if err != nil {
		return nil, k, err
	}
	for _, run := range runs {
		k.runs[run.ID] = run
	}
	for _, i := range items {
		if _, again := k.hashes[i.note.RunID]; again {
			p.tally.Repeated++
			continue
		}
		k.hashes[i.note.RunID] = nil
		fresh = append(fresh, i)
	}
	return fresh, k, nil
}

// judge decides what becomes of the records of a batch, as the ledger would have decided then with the catalogue of now. In the
// ledger they did not come in the order of the record: a request may have joined one that stands behind it. So all have
// their identities first, and then those that made runs are judged in the order in which they made them.
func (p *shadowPlay) judge(items []*shadowItem, k known) {
	able := slices.DeleteFunc(slices.Clone(items), func(i *shadowItem) bool { return !i.admitted(k) })
	slices.SortStableFunc(able, func(a, b *shadowItem) int {
		return k.runs[a.note.RunID].CreatedAt.Compare(k.runs[b.note.RunID].CreatedAt)
	})
	for _, i := range able {
		run, ran := i.made(k)
		if i.note.Verdict, i.note.Owner = p.verdict(i, k, run, ran); i.note.Verdict == dedupe.Execute && ran {
			p.remember(i, run)
		}
	}
}

// made returns the run that the record made in the ledger, or that it names.
func (i *shadowItem) made(k known) (run oprun.Run, ran bool) {
	run, ran = k.runs[i.note.RunID]
	return run, ran && run.Scope() == i.job.Scope && run.Type == i.job.Type
}

// admitted gives a record that can run its identity. What cannot has its verdict.
func (i *shadowItem) admitted(k known) bool {
	run, ran := i.made(k)
	found, _ := dedupe.ParseReason(k.judged[i.note.RunID].Reason)
	switch {
	case i.refusal != nil:
		reason, detail := reasonOf(i.refusal)
		i.rejected(reason, detail)
		return false
	case judged(found): // by what the ledger had then: scopes, runs, and how far back it remembers
		i.rejected(found, "as the ledger has found")
		return false
	case i.question.Named && !ran:
		i.note.Verdict = dedupe.UnknownRun
		return false
	}
	i.identify(run)
	k.hashes[i.note.RunID] = i.note.Hash
	return true
}

// identify notes the identity that the catalogue gives the job. A run that the message names keeps the one of its row; what
// joined that is compared with what its input would have now.
func (i *shadowItem) identify(run oprun.Run) {
	identity := i.question.Identity
	if i.question.Named {
		_, _ = hex.Decode(i.question.Identity.Hash[:], []byte(run.IdentityHash))
		i.question.Named, i.question.Once = false, run.Once
		var err error
		if identity, err = i.spec.rule.Identify(i.job.Scope, i.job.Type, i.job.Input, i.job.Occurrence); err != nil {
			return
		}
	}
	i.note.Hash = identity.Hash[:]
}

func (i *shadowItem) rejected(reason dedupe.Reason, detail string) {
	i.note.Verdict, i.note.Reason, i.note.Detail = dedupe.Rejected, reason.String(), detail
}

// verdict judges a record that can run.
func (p *shadowPlay) verdict(i *shadowItem, k known, run oprun.Run, ran bool) (dedupe.Verdict, uuid.UUID) {
	judged := k.judged[i.note.RunID]
	switch {
	case ran && i.job.RunID == uuid.Nil:
		return p.merged(i, run)
	case ran || judged.RunID == uuid.Nil:
		return dedupe.Execute, uuid.Nil
	case !i.sameAs(judged.RunID, k):
		return dedupe.Execute, uuid.Nil
	case judged.Verdict == dedupe.FollowUp && !i.spec.follows():
		return dedupe.Duplicate, judged.RunID
	case judged.Verdict == dedupe.Cooldown && !i.cools(k.runs[judged.RunID], judged.At):
		return dedupe.Execute, uuid.Nil
	default:
		return judged.Verdict, judged.RunID
	}
}

// sameAs tells whether a request that joined a run in the ledger would still be the same job. A run that was not played
// has the identity of the catalogue of its time; when that is another one, nobody can tell.
func (i *shadowItem) sameAs(owner uuid.UUID, k known) bool {
	hash, played := k.hashes[owner]
	return !played || hash == nil || bytes.Equal(hash, i.note.Hash)
}

// cools tells whether a run's success keeps this identity from running at that time.
func (i *shadowItem) cools(run oprun.Run, at time.Time) bool {
	cooldown := i.spec.job.Cooldown
	if cooldown == 0 || run.CompletedAt == nil || cooldown == cooledFor(run) {
		return cooldown != 0 // nothing has changed
	}
	return at.Before(run.CompletedAt.Add(cooldown))
}

// cooledFor is the cooldown that the run's success had.
func cooledFor(run oprun.Run) time.Duration {
	if run.CooldownUntil == nil || run.CompletedAt == nil {
		return 0
	}
	return run.CooldownUntil.Sub(*run.CompletedAt).Round(time.Millisecond)
}

// merged judges a request that made a run in the ledger: the catalogue may now take it for the same job as one that the
// ledger told from it, or give it a cooldown. What the ledger has decided between two of one identity stands.
func (p *shadowPlay) merged(i *shadowItem, run oprun.Run) (dedupe.Verdict, uuid.UUID) {
	last, seen := p.latest[i.question.Identity.Hash]
	if !seen || last.run.ID == run.ID || run.CreatedAt.Before(last.begin) {
		return dedupe.Execute, uuid.Nil
	}
	merged := last.run.IdentityHash != run.IdentityHash
	cooldown := i.spec.job.Cooldown
	switch {
	case run.CreatedAt.Before(last.end):
		if merged && !i.spec.follows() {
			return dedupe.Duplicate, last.run.ID
		}
	case cooldown > 0 && last.run.Outcome == oprun.Succeeded && (merged || cooldown != cooledFor(last.run)):
		if run.CreatedAt.Before(last.end.Add(cooldown)) {
			return dedupe.Cooldown, last.run.ID
		}
	}
	return dedupe.Execute, uuid.Nil
}

// remember keeps, of each identity, the run that the ledger had for longest.
func (p *shadowPlay) remember(i *shadowItem, run oprun.Run) {
	if i.spec.job.IdentityMode == dedupe.RequestMode {
		return // no two of them are the same
	}
	now := span{run: run, begin: run.CreatedAt, end: endless}
	if run.CompletedAt != nil {
		now.end = *run.CompletedAt
	}
	now.run.Context, now.run.SummaryCounts, now.run.FailureSummary = nil, nil, nil
	if last, seen := p.latest[i.question.Identity.Hash]; !seen || last.end.Before(now.end) {
		p.latest[i.question.Identity.Hash] = now
	}
}

// endless is the end of a run that has none yet.
var endless = time.Unix(1<<40, 0)

// groups parts what is to run by identity, in order: no two of one identity run at once.
func groups(items []*shadowItem) (parts [][]*shadowItem) {
	at := make(map[[32]byte]int)
	for _, i := range items {
		if i.note.Verdict != dedupe.Execute {
			continue
		}
		hash := i.question.Identity.Hash
		n, seen := at[hash]
		if !seen {
			n = len(parts)
			at[hash], parts = n, append(parts, nil)
		}
		parts[n] = append(parts[n], i)
	}
	return slices.Clip(parts)
}
