package replay

import (
	"context"
	"crypto/sha256"
	"encoding/binary"

	"github.com/google/uuid"

	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
	"oprun.example/pkg/oprun"
)

// item is a recorded message on its way.
type item struct {
	at       string // what it is called
	recorded events.Message
	job      events.Job
	refused  error // why it is no job; then it becomes a dead letter, as it was
	run      uuid.UUID
	label    string // its type
}

// read decodes a recorded message. It knows no catalogue: a CloudEvent's type passes for an alias, and if it was none,
// the message becomes a dead letter.
func (r *replay) read(at string, m events.Message) item {
	i := item{at: at, recorded: m}
	i.job, i.refused = r.decode(m)
	i.label = labelOf(i.job.Type)
	if i.refused == nil {
		i.run = runOf(i.job)
	}
	return i
}

func (r *replay) decode(m events.Message) (events.Job, error) {
	subjects := r.config.Filter.Subjects
	_, jobType, _ := subjects.Parse(m.Subject)
	return events.Codec{Subjects: subjects, Alias: func(string) (string, bool) { return jobType, true }}.Decode(m)
}

// runOf returns the run of a job: the one that it names, or the one that its occurrence makes.
func runOf(job events.Job) uuid.UUID {
	if job.RunID != uuid.Nil {
		return job.RunID
	}
	return job.Occurrence.RunID(job.Scope, job.Type)
}

func labelOf(jobType string) string {
	if jobType == "" {
		return "unknown"
	}
	return jobType
}

// sighting is what the ledger is asked about: the recorded message, or the new request that is made of it.
func (r *replay) sighting(i *item) oprun.Sighting {
	s := oprun.Sighting{Seq: i.recorded.Seq, StoredAt: i.recorded.StoredAt, Scope: i.job.Scope, Type: i.job.Type}
	if i.refused != nil {
		return s
	}
	s.RunID, s.Named = i.run, i.job.RunID != uuid.Nil
	if r.config.AsNew {
		request := dedupe.ByRequest(newRequest(r.config.ID, i.run), i.job.AcceptedAt)
		s.RunID, s.Named = request.RunID(i.job.Scope, i.job.Type), false
	}
	return s
}

// outgoing is the message as it is published. What is no job stays none, whatever is added to it.
func (r *replay) outgoing(i *item, msgID string) events.Message {
	if !r.config.AsNew || i.refused != nil {
		return i.recorded.Again(msgID)
	}
	return i.recorded.Anew(newRequest(r.config.ID, i.run), msgID).ReplayedFrom(i.recorded.Place())
}

// stays reports whether what was a job is one still: its headers may have grown beyond what is taken.
func (r *replay) stays(i *item, m events.Message) bool {
	if i.refused != nil {
		return true
	}
	_, err := r.decode(m)
	return err == nil
}

// newRequest is the id of the request that an as-new replay makes of all messages of a run: a UUID version 7 of the
// replay's time, so that the ledger can date the new run, and made of both ids, so that the same replay makes the same
// requests whenever it goes on.
func newRequest(replay, run uuid.UUID) string {
	const domain = "oprun/1/replay"
	sum := sha256.Sum256(append(append([]byte(domain), replay[:]...), run[:]...))
	var id uuid.UUID
	copy(id[:], sum[:])
	copy(id[:6], replay[:6])
	binary.BigEndian.PutUint16(id[6:], 7<<12|binary.BigEndian.Uint16(id[6:])&0xfff)
	id[8] = id[8]&0x3f | 0x80
	return id.String()
}

// knows reports whether the ledger knows a scope; it is asked once for each.
func (r *replay) knows(ctx context.Context, scope dedupe.Scope) (bool, error) {
	known, asked := r.scopes[scope]
	if asked {
		return known, nil
	}
	known, err := r.ledger.Knows(ctx, scope)
	if err == nil {
		r.scopes[scope] = known
	}
	return known, err
}
