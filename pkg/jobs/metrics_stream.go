package jobs

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"oprun.example/pkg/events"
)

// streamGauges are what JetStream tells of this worker's consumer and its stream. While it does not answer they are left out.
type streamGauges struct {
	figure *cached[*streamFigures]

	pending, ackPending, redelivered, oldest, bytes, maxBytes, maxAge *prometheus.Desc
}

// streamFigures are what JetStream answered.
type streamFigures struct {
	consumer *jetstream.ConsumerInfo
	stream   *jetstream.StreamInfo
	oldest   time.Time // of what nobody has claimed; zero: there is nothing
}

func newStreamGauges(w *Worker) *streamGauges {
	return &streamGauges{
		figure:      &cached[*streamFigures]{ask: w.askStream},
		pending:     described("jetstream_consumer_pending_messages", "Messages that the consumer has yet to deliver for the first time."),
		ackPending:  described("jetstream_consumer_ack_pending_messages", "Messages that the consumer has delivered and that are not acknowledged: those of running jobs, too."),
		redelivered: described("jetstream_consumer_redelivered_messages", "Messages of these that were delivered more than once."),
		oldest: described("jetstream_oldest_unclaimed_timestamp_seconds",
			"When the oldest message was stored that no worker has claimed in the ledger; absent when there is none."),
		bytes:    described("jetstream_stream_bytes", "Bytes that the stream holds."),
		maxBytes: described("jetstream_stream_max_bytes", "Bytes that the stream may hold, then it refuses messages; 0: any number."),
		maxAge:   described("jetstream_stream_max_age_seconds", "How long the stream keeps a message; 0: for ever."),
	}
}

// askStream asks JetStream for its figures; nil when it does not answer.
func (w *Worker) askStream(ctx context.Context) *streamFigures {
	figures, err := w.streamFigures(ctx)
	if err != nil {
		w.log.Warn("jetstream gives no figures for metrics", "error", err)
		return nil
	}
	return figures
}

func (w *Worker) streamFigures(ctx context.Context) (*streamFigures, error) {
	stream, err := w.js.Stream(ctx, w.config.Stream)
	if err != nil {
		return nil, err
	}
	consumer, err := stream.Consumer(ctx, w.config.Consumer)
	if err != nil {
		return nil, err
	}
	f := &streamFigures{consumer: consumer.CachedInfo(), stream: stream.CachedInfo(), oldest: w.oldestInHand()}
	if f.consumer.NumPending > 0 {
		waiting, err := oldestPending(ctx, w.js, f.consumer)
		if err != nil {
			return nil, err
		}
		f.oldest = older(f.oldest, waiting)
	}
	return f, nil
}

// oldestInHand returns when the oldest message was stored that this worker has taken and for a while not claimed, as when
// the ledger is away.
func (w *Worker) oldestInHand() (oldest time.Time) {
	unclaimed, _ := w.hands.olderThan(time.Second)
	for _, d := range unclaimed {
		if meta, err := d.msg.Metadata(); err == nil {
			oldest = older(oldest, meta.Timestamp)
		}
	}
	return oldest
}

// oldestPending returns when the first message was stored that the consumer has yet to deliver. It asks the stream's leader: in a direct
// get's answer, a message may lie about its time.
func oldestPending(ctx context.Context, js jetstream.JetStream, consumer *jetstream.ConsumerInfo) (oldest time.Time, err error) {
	filters := consumer.Config.FilterSubjects
	if len(filters) == 0 {
		filters = []string{orDefault(consumer.Config.FilterSubject, ">")}
	}
	for _, filter := range filters {
		next, err := events.ReadNext(ctx, js, consumer.Stream, consumer.Delivered.Stream+1, filter)
		switch {
		case errors.Is(err, events.ErrNoMessage): // taken meanwhile, or of another filter
		case err != nil:
			return oldest, err
		default:
			oldest = older(oldest, next.StoredAt)
		}
	}
	return oldest, nil
}

// older returns the earlier of two times, of which a zero one is none.
func older(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// Describe implements prometheus.Collector.
func (g *streamGauges) Describe(descs chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{g.pending, g.ackPending, g.redelivered, g.oldest, g.bytes, g.maxBytes, g.maxAge} {
		descs <- d
	}
}

// Collect implements prometheus.Collector.
func (g *streamGauges) Collect(metrics chan<- prometheus.Metric) {
	f := g.figure.get()
	if f == nil {
		return
	}
	for desc, value := range map[*prometheus.Desc]float64{
		g.pending: float64(f.consumer.NumPending), g.ackPending: float64(f.consumer.NumAckPending),
		g.redelivered: float64(f.consumer.NumRedelivered), g.bytes: float64(f.stream.State.Bytes),
		g.maxBytes: float64(max(0, f.stream.Config.MaxBytes)), g.maxAge: f.stream.Config.MaxAge.Seconds(),
	} {
		metrics <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value)
	}
	if !f.oldest.IsZero() {
		metrics <- prometheus.MustNewConstMetric(g.oldest, prometheus.GaugeValue, unixSeconds(f.oldest))
	}
}
