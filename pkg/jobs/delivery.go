package jobs

import (
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"

	"oprun.example/internal/failpoint"
	"oprun.example/pkg/events"
	"oprun.example/pkg/oprun"
)

// delivery is one message in hand, from its arrival until it is acknowledged or left.
type delivery struct {
	msg       *nats.Msg
	message   events.Message
	delivered uint64 // how often the broker has delivered it
	arrived   time.Time
	job       events.Job
	spec      *jobSpec
	token     uuid.UUID // of the claim
}

// read decodes the message. A refusal leaves enough of the delivery to bury it.
func (d *delivery) read(codec events.Codec) error {
	meta, err := d.msg.Metadata()
	if err != nil {
		return fmt.Errorf("read delivery metadata: %w", err)
	}
	d.delivered = meta.NumDelivered
	d.message = events.Message{
		Subject: d.msg.Subject, Header: events.HeaderOf(d.msg), Data: d.msg.Data,
		Stream: meta.Stream, Seq: meta.Sequence.Stream, StoredAt: meta.Timestamp,
	}
	d.job, err = codec.Decode(d.message)
	return err
}

// ack, nak and term tell the broker. They are hints that save a redelivery: an error only means that one more
// delivery will be answered by the ledger.
func (d *delivery) ack() {
	if failpoint.Hit(failpoint.AckBefore) != nil {
		return
	}
	_ = d.msg.Ack()
	_ = failpoint.Hit(failpoint.AckAfter)
}

func (d *delivery) nak(after time.Duration) {
	if after <= 0 {
		_ = d.msg.Nak()
		return
	}
	_ = d.msg.NakWithDelay(after)
}

func (d *delivery) term() { _ = d.msg.Term() }

func (d *delivery) inProgress() { _ = d.msg.InProgress() }

// letter is the message as a dead letter.
func (d *delivery) letter(reason, detail string) oprun.DeadLetter {
	letter := oprun.DeadLetter{
		Stream: d.message.Stream, Seq: int64(d.message.Seq), StoreTime: d.message.StoredAt, Subject: d.message.Subject,
		Headers: d.message.Header, Body: d.message.Data, Reason: reason, Detail: detail,
	}
	if d.job.RunID != uuid.Nil {
		letter.RunID = &d.job.RunID
	}
	return letter
}
