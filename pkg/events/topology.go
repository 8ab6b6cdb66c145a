package events

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// MaxMsgBytes is the size that the stream allows a message, headers included. It is more than a job may have, so
// that a job that is too large ends among the dead letters, where somebody sees it.
const MaxMsgBytes = 1 << 20

// Topology is what JetStream must have for jobs: one stream and one durable pull consumer. The zero value is not
// usable; start from [DefaultTopology].
type Topology struct {
	Stream   string
	Consumer string
	Subjects Subjects

	MaxBytes   int64         // size of the stream, all replicas being equal; 0 or less: unlimited
	MaxMsgSize int32         // size of one message in bytes, headers included
	MaxAge     time.Duration // how long a message is kept; 0: for ever
	Duplicates time.Duration // the broker's dedupe window, at most MaxAge; it costs memory per message
	Replicas   int           // 1, 3 or 5

	AckWait       time.Duration // how long a delivery may stay unacknowledged before it is delivered again
	MaxAckPending int           // how many deliveries may be unacknowledged: all running jobs are

	// Types are the job types that the consumer is for. None: all. A consumer of some types has a name of its own.
	Types []string
}

// DefaultTopology returns stream JOBS and consumer oprun for one server: no size limit, 7 days, one replica.
// Production sets MaxBytes and Replicas.
func DefaultTopology() Topology {
	return Topology{
		Stream:        "JOBS",
		Consumer:      "oprun",
		MaxMsgSize:    MaxMsgBytes,
		MaxAge:        7 * 24 * time.Hour,
		Duplicates:    2 * time.Minute,
		Replicas:      1,
		AckWait:       30 * time.Second,
		MaxAckPending: 65536, // the server's own 1,000 would stall a fleet
	}
}

// For returns the same topology with a consumer for these job types alone, whose name is made from them: workers that
// run some types share it, and those that run all keep theirs. No types change nothing.
func (t Topology) For(jobTypes ...string) Topology {
	if len(jobTypes) == 0 {
		return t
	}
	t.Types = slices.Compact(slices.Sorted(slices.Values(jobTypes)))
	sum := sha256.Sum256([]byte(strings.Join(t.Types, "\n")))
	t.Consumer += "-" + hex.EncodeToString(sum[:4])
	return t
}

// Validate reports a topology that no server would take, or that would lose jobs.
func (t Topology) Validate() error {
	switch {
	case !validName(t.Stream) || !validName(t.Consumer):
		return errors.New("topology: a stream or consumer needs a name of visible ASCII characters without . * > / and \\")
	case t.MaxMsgSize < MaxInputBytes+MaxHeaderBytes:
		return fmt.Errorf("topology: max_msg_size %d is less than a job may have, %d", t.MaxMsgSize, MaxInputBytes+MaxHeaderBytes)
	case t.MaxAge < 0 || t.Duplicates <= 0 || t.MaxAge > 0 && t.Duplicates > t.MaxAge:
		return fmt.Errorf("topology: the dedupe window %v must lie between 0 and max_age %v", t.Duplicates, t.MaxAge)
	case t.Replicas < 1 || t.Replicas > 5:
		return fmt.Errorf("topology: replicas %d is not 1 to 5", t.Replicas)
	case t.AckWait < time.Second || t.MaxAckPending < 1:
		return errors.New("topology: ack_wait must be 1s or more, and max_ack_pending 1 or more")
	}
	for _, jobType := range t.Types {
		if err := ValidType(jobType); err != nil {
			return fmt.Errorf("topology: type %q: %w", jobType, err)
		}
	}
	if err := t.Subjects.Validate(); err != nil {
		return fmt.Errorf("topology: %w", err)
	}
	return nil
}

func (t Topology) streamConfig() jetstream.StreamConfig {
	maxBytes := t.MaxBytes
	if maxBytes <= 0 {
		maxBytes = -1
	}
	return jetstream.StreamConfig{
		Name:               t.Stream,
		Subjects:           []string{t.Subjects.All()},
		Retention:          jetstream.LimitsPolicy,
		Storage:            jetstream.FileStorage,
		Discard:            jetstream.DiscardNew, // a producer must hear of a full stream; an old job must not pay for it
		MaxMsgs:            -1,
		MaxMsgsPerSubject:  -1,
		MaxConsumers:       -1,
		MaxBytes:           maxBytes,
		MaxMsgSize:         t.MaxMsgSize,
		MaxAge:             t.MaxAge,
		Duplicates:         t.Duplicates,
		Replicas:           t.Replicas,
		AllowDirect:        true,
		AllowAtomicPublish: true,
	}
}

func (t Topology) consumerConfig() jetstream.ConsumerConfig {
	return jetstream.ConsumerConfig{
		Durable:        t.Consumer,
		DeliverPolicy:  jetstream.DeliverAllPolicy,
		AckPolicy:      jetstream.AckExplicitPolicy,
		ReplayPolicy:   jetstream.ReplayInstantPolicy,
		AckWait:        t.AckWait,
		MaxDeliver:     -1, // the ledger decides what is poison: a spent MaxDeliver is silence for ever
		MaxAckPending:  t.MaxAckPending,
		FilterSubjects: t.Subjects.Filter(t.Types...),
	}
}

// Plan reads what the servers have and returns what [Topology.Apply] would change. It changes nothing.
func (t Topology) Plan(ctx context.Context, js jetstream.JetStream) (Plan, error) {
	if err := t.Validate(); err != nil {
		return Plan{}, err
	}
	stream, err := readStream(ctx, js, t.Stream)
	if err != nil {
		return Plan{}, fmt.Errorf("read stream %s: %w", t.Stream, err)
	}
	var consumer *jetstream.ConsumerConfig
	if stream != nil {
		if consumer, err = readConsumer(ctx, js, t.Stream, t.Consumer); err != nil {
			return Plan{}, fmt.Errorf("read consumer %s: %w", t.Consumer, err)
		}
	}
	var plan Plan
	plan.stream = diff(&plan, "stream "+t.Stream, streamFields, stream, t.streamConfig())
	plan.consumer = diff(&plan, "consumer "+t.Consumer, consumerFields, consumer, t.consumerConfig())
	return plan, nil
}

// Apply makes the servers have this topology and returns what it changed. What the topology does not name stays as
// it is: descriptions, metadata, placement, compression and so on.
//
// Without force it refuses with a [*DestructiveError], and changes nothing, when a change would delete messages or
// hide them from the consumer. With or without force it refuses with an [*UnchangeableError] what no server can
// change. Any number of processes may apply one topology at once. Each request is short and tried again, because a
// cluster that has no leader yet does not answer; it gives up with the context, or after a minute.
func (t Topology) Apply(ctx context.Context, js jetstream.JetStream, force bool) (Plan, error) {
	plan, err := t.Plan(ctx, js)
	if err != nil {
		return plan, err
	}
	if fixed := plan.only(func(c Change) bool { return c.Unchangeable != "" }); len(fixed) > 0 {
		return plan, &UnchangeableError{fixed}
	}
	if lossy := plan.only(func(c Change) bool { return c.Destructive }); len(lossy) > 0 && !force {
		return plan, &DestructiveError{lossy}
	}
	if err := writeStream(ctx, js, plan.stream); err != nil {
		return plan, t.explain(ctx, js, err)
	}
	if err := writeConsumer(ctx, js, t.Stream, plan.consumer); err != nil {
		return plan, fmt.Errorf("write consumer %s: %w", t.Consumer, err)
	}
	return plan, nil
}

// explain adds which stream is in the way, when one is.
func (t Topology) explain(ctx context.Context, js jetstream.JetStream, err error) error {
	if api, ok := errors.AsType[*jetstream.APIError](err); ok && api.ErrorCode == codeStreamSubjectOverlap {
		if other, findErr := js.StreamNameBySubject(ctx, t.Subjects.All()); findErr == nil {
			err = fmt.Errorf("stream %s takes %s already: use it (OPRUN_STREAM), or another prefix: %w", other, t.Subjects.All(), err)
		}
	}
	return fmt.Errorf("write stream %s: %w", t.Stream, err)
}

const (
	apiTimeout  = 2 * time.Second // of one request to the JetStream API
	apiPatience = time.Minute     // of all its tries, when the context has no end
)

// try calls request until a server answers it. It is for requests that may be repeated.
func try(ctx context.Context, request func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, apiPatience)
	defer cancel()
	for {
		once, stop := context.WithTimeout(ctx, apiTimeout)
		err := request(once)
		stop()
		if errors.Is(err, nats.ErrNoResponders) {
			return fmt.Errorf("JetStream is not enabled here, on the server or for this account: %w", err)
		}
		if !unanswered(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("no answer from JetStream: it is away, it has no leader, or this user may not use its API: %w", err)
		case <-time.After(apiTimeout / 10):
		}
	}
}

func unanswered(err error) bool {
	if api, ok := errors.AsType[*jetstream.APIError](err); ok {
		return api.ErrorCode == codeClusterNotAvailable
	}
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrTimeout)
}
