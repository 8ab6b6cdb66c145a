package jobs

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"

	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
)

// origin is the message that a message-first run came from.
type origin struct {
	runID   uuid.UUID
	scope   dedupe.Scope
	jobType string
	stream  string
	seq     uint64
	time    time.Time // in whole microseconds
}

// readOrigin reads the message of a message-first run back from the stream. The error is events.ErrNoMessage only when
// the stream's leader says that it is gone, or has another message under the number: a time-out is never "lost", nor is a
// message that these subjects or this version cannot read.
func readOrigin(ctx context.Context, js jetstream.JetStream, subjects events.Subjects, from origin) (events.Job, error) {
	message, err := events.ReadBack(ctx, js, from.stream, from.seq)
	if err != nil {
		return events.Job{}, err
	}
	if !message.StoredAt.Truncate(time.Microsecond).Equal(from.time) {
		return events.Job{}, events.ErrNoMessage // another message under this number, even if it is of the same request
	}
	job, own := from.decode(subjects, message)
	if !own {
		return events.Job{}, fmt.Errorf("message %d of stream %s is that of run %s, and cannot be read", from.seq, from.stream, from.runID)
	}
	return job, nil
}

// decode reads a message that stands where the run came from, and tells whether it is the run's own: a stream that was
// made anew has other messages under the same numbers. Whatever ce-type stands for the job's type was accepted when the
// run was made.
func (o origin) decode(subjects events.Subjects, message events.Message) (job events.Job, own bool) {
	codec := events.Codec{Subjects: subjects, Alias: func(string) (string, bool) { return o.jobType, true }}
	job, err := codec.Decode(message)
	if err != nil || job.Scope != o.scope || job.Type != o.jobType || job.RunID != uuid.Nil {
		return job, false
	}
	return job, job.Occurrence.RunID(job.Scope, job.Type) == o.runID
}
