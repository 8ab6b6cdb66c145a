package events

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

type (
	streamConfig   = jetstream.StreamConfig
	consumerConfig = jetstream.ConsumerConfig
)

// streamFields are what the contract says of the stream, and whatever would lose accepted jobs if it were set. What
// is in no list here is not ours: it is never shown and never changed.
var streamFields = []ownField[streamConfig]{
	own("subjects", func(c *streamConfig) *[]string { return &c.Subjects }, list).lossy(dropsSubject),
	own("retention", func(c *streamConfig) *jetstream.RetentionPolicy { return &c.Retention }, word).fixed(workQueue),
	own("storage", func(c *streamConfig) *jetstream.StorageType { return &c.Storage }, word).
		fixed(always[streamConfig]("a stream keeps its storage")),
	own("discard", func(c *streamConfig) *jetstream.DiscardPolicy { return &c.Discard }, word),
	own("max_bytes", func(c *streamConfig) *int64 { return &c.MaxBytes }, limit).
		lossy(func(have, want *streamConfig) bool { return lower(have.MaxBytes, want.MaxBytes) }),
	own("max_age", func(c *streamConfig) *time.Duration { return &c.MaxAge }, age).
		lossy(func(have, want *streamConfig) bool { return lower(have.MaxAge, want.MaxAge) }),
	own("max_msg_size", func(c *streamConfig) *int32 { return &c.MaxMsgSize }, limit).
		lossy(func(have, want *streamConfig) bool { return lower(have.MaxMsgSize, want.MaxMsgSize) }),
	own("discard_new_per_subject", func(c *streamConfig) *bool { return &c.DiscardNewPerSubject }, yes),
	own("max_msgs_per_subject", func(c *streamConfig) *int64 { return &c.MaxMsgsPerSubject }, limit), // deletes the oldest
	own("duplicate_window", func(c *streamConfig) *time.Duration { return &c.Duplicates }, age),
	own("num_replicas", func(c *streamConfig) *int { return &c.Replicas }, strconv.Itoa).
		lossy(func(have, want *streamConfig) bool { return lower(have.Replicas, want.Replicas) }),
	own("allow_direct", func(c *streamConfig) *bool { return &c.AllowDirect }, yes),
	own("allow_atomic", func(c *streamConfig) *bool { return &c.AllowAtomicPublish }, yes),
	own("allow_rollup_hdrs", func(c *streamConfig) *bool { return &c.AllowRollup }, yes), // one message deletes the others
	own("no_ack", func(c *streamConfig) *bool { return &c.NoAck }, yes),                  // nobody learns that a job is stored
	own("persist_mode", func(c *streamConfig) *jetstream.PersistModeType { return &c.PersistMode }, word).
		fixed(always[streamConfig]("a stream keeps its persist mode, and async acknowledges what is not on disk")),
}

// consumerFields are what the contract says of the consumer.
var consumerFields = []ownField[consumerConfig]{
	own("deliver_subject", func(c *consumerConfig) *string { return &c.DeliverSubject }, orNone).
		fixed(always[consumerConfig]("a push consumer cannot become a pull consumer")),
	own("deliver_policy", func(c *consumerConfig) *jetstream.DeliverPolicy { return &c.DeliverPolicy }, word).
		fixed(always[consumerConfig]("a consumer keeps its deliver policy")),
	own("ack_policy", func(c *consumerConfig) *jetstream.AckPolicy { return &c.AckPolicy }, word).
		fixed(always[consumerConfig]("a consumer keeps its ack policy")),
	own("replay_policy", func(c *consumerConfig) *jetstream.ReplayPolicy { return &c.ReplayPolicy }, word).
		fixed(always[consumerConfig]("a consumer keeps its replay policy")),
	own("mem_storage", func(c *consumerConfig) *bool { return &c.MemoryStorage }, yes).
		fixed(always[consumerConfig]("a consumer keeps its storage")),
	own("ack_wait", func(c *consumerConfig) *time.Duration { return &c.AckWait }, age),
	own("max_deliver", func(c *consumerConfig) *int { return &c.MaxDeliver }, limit),
	own("backoff", func(c *consumerConfig) *[]time.Duration { return &c.BackOff }, durations),
	own("max_ack_pending", func(c *consumerConfig) *int { return &c.MaxAckPending }, limit),
	{
		name: "filter_subjects",
		show: func(c *consumerConfig) string { return list(filters(c)) },
		set: func(have, want *consumerConfig) {
			have.FilterSubject, have.FilterSubjects = "", filters(want)
		},
		// What has gone by does not come back: neither the messages that the old filter let through and the new one
		// stops, nor those that the old one stopped.
		destructive: func(_, _ *consumerConfig) bool { return true },
	},
	// A durable that is deleted while nobody works starts again from the beginning.
	own("inactive_threshold", func(c *consumerConfig) *time.Duration { return &c.InactiveThreshold }, age),
	own("headers_only", func(c *consumerConfig) *bool { return &c.HeadersOnly }, yes),
}

// ownField is one field of a config that a topology owns.
type ownField[C any] struct {
	name string
	show func(*C) string // equal texts are equal values
	set  func(have, want *C)

	destructive  func(have, want *C) bool   // nil: never
	unchangeable func(have, want *C) string // why; "" and nil: changeable
}

// own returns the field that lies at a pointer, changeable and harmless.
func own[C, T any](name string, at func(*C) *T, show func(T) string) ownField[C] {
	return ownField[C]{
		name: name,
		show: func(c *C) string { return show(*at(c)) },
		set:  func(have, want *C) { *at(have) = *at(want) },
	}
}

func (f ownField[C]) lossy(when func(have, want *C) bool) ownField[C] {
	f.destructive = when
	return f
}

func (f ownField[C]) fixed(why func(have, want *C) string) ownField[C] {
	f.unchangeable = why
	return f
}

func always[C any](why string) func(have, want *C) string {
	return func(_, _ *C) string { return why }
}

// workQueue tells the one change of retention that servers refuse.
func workQueue(have, _ *streamConfig) string {
	if have.Retention == jetstream.WorkQueuePolicy {
		return "a work queue stays a work queue"
	}
	return ""
}

func dropsSubject(have, want *streamConfig) bool {
	return slices.ContainsFunc(have.Subjects, func(s string) bool { return !slices.Contains(want.Subjects, s) })
}

// lower reports whether want limits more than have. 0 and less are no limit.
func lower[T ~int | ~int32 | ~int64](have, want T) bool {
	return want > 0 && (have <= 0 || want < have)
}

func limit[T ~int | ~int32 | ~int64](n T) string {
	if n <= 0 {
		return "unlimited"
	}
	return strconv.FormatInt(int64(n), 10)
}

func age(d time.Duration) string {
	if d <= 0 {
		return "unlimited"
	}
	return d.String()
}

// word returns a policy as the server spells it.
func word[T interface{ MarshalJSON() ([]byte, error) }](policy T) string {
	text, err := policy.MarshalJSON()
	if err != nil {
		return "unknown"
	}
	return strings.Trim(string(text), `"`)
}

func yes(flag bool) string { return strconv.FormatBool(flag) }

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

func list(values []string) string {
	return orNone(strings.Join(slices.Sorted(slices.Values(values)), ","))
}

func durations(values []time.Duration) string {
	texts := make([]string, len(values))
	for i, d := range values {
		texts[i] = d.String()
	}
	return orNone(strings.Join(texts, ","))
}

// filters returns the filter of a consumer, of which the server has two spellings.
func filters(c *consumerConfig) []string {
	if c.FilterSubject != "" {
		return []string{c.FilterSubject}
	}
	return c.FilterSubjects
}
