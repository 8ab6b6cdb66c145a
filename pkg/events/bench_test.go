package events

import (
	"bytes"
	"strconv"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

func BenchmarkDecode(b *testing.B) {
	small := []byte(`{"connection_id":"8b1f5c1e-6a43-4a5e-9d55-0d6c2f5c9a11","policy_type":"compliance","page":3}`)
	large := []byte(`{"policies":[` + string(bytes.Repeat([]byte(`{"id":"8b1f5c1e","name":"a policy","on":true},`), 5000)) + `{}]}`)
	published := nats.Header{
		HeaderMsgID:     {"id/6f9619ff8b864d01b42d00cf4fc964e16f9619ff8b864d01b42d00cf4fc964e1/" + runUUID.String()},
		HeaderRequestID: {runUUID.String()}, HeaderTraceParent: {parent},
	}
	for _, test := range []struct {
		name    string
		message Message
	}{
		{"no_headers", Message{fetchSubject, nil, small, "JOBS", 42, stored}},
		{"published", Message{fetchSubject, published, small, "JOBS", 42, stored}},
		{"binary_event", Message{fetchSubject, binaryEvent(nil), small, "JOBS", 42, stored}},
		{"structured_event", structured(structuredPrefix, structuredEvent)},
		{"large_input", Message{fetchSubject, nil, large, "JOBS", 42, stored}},
	} {
		b.Run(test.name, func(b *testing.B) {
			codec := Codec{Alias: alias}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := codec.Decode(test.message); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
		})
	}
}

func BenchmarkParse(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := (Subjects{}).Parse(fetchSubject); err != nil {
			b.Fatal(err)
		}
	}
}

// Each benchmark of publishing talks to a server in the same process, which takes its share of the time: one that leaves it
// to the system when to write to disk, and one that has each message, or each batch, on disk before it acknowledges it.
func onBothServers(b *testing.B, publish func(b *testing.B, publisher *Publisher, request func(i int) Request)) {
	b.Helper()
	id, input := identity(b), append(bytes.Repeat([]byte(" "), 1022), "{}"...)
	for name, always := range map[string]bool{"sync_seldom": false, "sync_always": true} {
		b.Run(name, func(b *testing.B) {
			js := jetStreamOn(b, connect(b, startServer(b, &server.Options{JetStream: true, SyncAlways: always})))
			if _, err := DefaultTopology().Apply(deadline(b), js, false); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			b.ResetTimer()
			publish(b, NewPublisher(js, PublisherConfig{}), func(i int) Request {
				return Request{Identity: id, Input: input, RequestID: strconv.Itoa(i)}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
		})
	}
}

func BenchmarkPublishAsync(b *testing.B) {
	onBothServers(b, func(b *testing.B, publisher *Publisher, request func(i int) Request) {
		b.Helper()
		pending := make([]*Pending, 0, 1000)
		flush := func() {
			for _, p := range pending {
				if _, err := p.Wait(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
			pending = pending[:0]
		}
		for i := range b.N {
			p, err := publisher.PublishAsync(b.Context(), request(i))
			if err != nil {
				b.Fatal(err)
			}
			if pending = append(pending, p); len(pending) == cap(pending) {
				flush()
			}
		}
		flush()
	})
}

// BenchmarkPublishBatch has up to four atomic batches wait for their acknowledgement.
func BenchmarkPublishBatch(b *testing.B) {
	onBothServers(b, func(b *testing.B, publisher *Publisher, request func(i int) Request) {
		b.Helper()
		var waiting []*PendingBatch
		settle := func(atMost int) {
			for ; len(waiting) > atMost; waiting = waiting[1:] {
				if _, err := waiting[0].Wait(b.Context()); err != nil || waiting[0].Refused() != nil {
					b.Fatal(err, waiting[0].Refused())
				}
			}
		}
		requests := make([]Request, 0, MaxBatch)
		for i := range b.N {
			requests = append(requests, request(i))
			if len(requests) == MaxBatch || i == b.N-1 {
				settle(3)
				waiting = append(waiting, sendBatch(b, publisher, requests))
				requests = requests[:0]
			}
		}
		settle(0)
	})
}
