package replay

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"oprun.example/pkg/events"
	"oprun.example/pkg/jobs"
)

// BenchmarkReplay drains a stream of fresh no-op jobs, and then the same messages, replayed on the same ledger: at what
// rates, in one run. Both streams are full before anybody works. It fails when the report tells of an effect, or when a
// run has changed.
//
//	go test ./internal/replay -run '^$' -bench Replay -benchtime 1x
func BenchmarkReplay(b *testing.B) {
	const jobsADrain = 100_000
	for b.Loop() {
		h := newHouse(b)
		preload(h, jobsADrain)
		fresh := h.drain(b, "fresh")
		h.exec("create table before as select * from oprun.operation_runs")

		began, published, reports := time.Now(), make(chan struct{}), make(chan Report, 1)
		tell := sync.OnceFunc(func() { close(published) })
		go func() {
			defer close(reports)
			source := Source{Messages: events.Read(b.Context(), h.js, "JOBS", events.Range{})}
			report, err := Run(b.Context(), h.js, h.ledger, source, Config{Progress: func(p Progress) {
				if p.Waiting > 0 {
					tell()
				}
			}})
			if err != nil {
				b.Error(err)
				tell()
				return
			}
			reports <- report
		}()
		<-published
		loaded := time.Since(began)
		replayed := h.drain(b, "replayed")
		report := <-reports
		changed := h.count("select count(*) from (select r::text from oprun.operation_runs r except select b::text from before b) x")
		if report.Published != jobsADrain || report.Effects != 0 || changed != 0 {
			b.Fatalf("%d runs changed, and the report is %+v", changed, report)
		}
		b.Logf("%d new effects of %d messages: %v; published in %s", report.Effects, report.Messages, rows(report), loaded.Round(time.Millisecond))
		b.ReportMetric(fresh, "fresh/s")
		b.ReportMetric(replayed, "replayed/s")
		b.ReportMetric(replayed/fresh, "ratio")
		b.ReportMetric(float64(jobsADrain)/loaded.Seconds(), "published/s")
	}
}

func preload(h *house, n int) {
	h.t.Helper()
	publisher := events.NewPublisher(h.js, events.PublisherConfig{})
	pending := make([]*events.Pending, n)
	for i := range n {
		m := events.Message{Subject: h.subject(writes), Data: fmt.Appendf(nil, `{"key": "%d"}`, i)}
		pending[i] = must(publisher.Send(h.t.Context(), m))(h.t)
	}
	for _, p := range pending {
		must(p.Wait(h.t.Context()))(h.t)
	}
}

// drain has a worker empty the stream, and returns how many messages a second it took.
func (h *house) drain(b *testing.B, what string) (rate float64) {
	b.Helper()
	mux := &jobs.Mux{}
	for _, jobType := range []string{writes, fails, stumbles, once} {
		jobs.Handle(mux, jobType, func(context.Context, *jobs.Job[keyed]) error { return nil })
	}
	consumer := must(h.js.Consumer(b.Context(), "JOBS", "oprun"))(b)
	info := func() *jetstream.ConsumerInfo { return must(consumer.Info(b.Context()))(b) }
	waiting := info().NumPending
	began := time.Now()
	stop := h.workWith(h.database, mux)
	eventually(b, what+" messages to be drained", func() bool {
		now := info()
		return now.NumPending == 0 && now.NumAckPending == 0
	})
	took := time.Since(began)
	stop()
	b.Logf("%s: %d messages in %s", what, waiting, took.Round(time.Millisecond))
	return float64(waiting) / took.Seconds()
}
