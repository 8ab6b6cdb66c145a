package events

import (
	"bytes"
	"strconv"
	"testing"

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

// BenchmarkPublishAsync publishes to a server in the same process, which takes its share of the time.
func BenchmarkPublishAsync(b *testing.B) {
	publisher := NewPublisher(newStream(b), PublisherConfig{})
	ctx, id, input := b.Context(), identity(b), bytes.Repeat([]byte(" "), 1022)
	input = append(input, "{}"...)
	pending := make([]*Pending, 0, 1000)
	flush := func() {
		for _, p := range pending {
			if _, err := p.Wait(ctx); err != nil {
				b.Fatal(err)
			}
		}
		pending = pending[:0]
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		p, err := publisher.PublishAsync(ctx, Request{Identity: id, Input: input, RequestID: strconv.Itoa(i)})
		if err != nil {
			b.Fatal(err)
		}
		if pending = append(pending, p); len(pending) == cap(pending) {
			flush()
		}
	}
	flush()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
}

// BenchmarkPublishBatch is BenchmarkPublishAsync with atomic batches, of which four wait for their acknowledgement.
func BenchmarkPublishBatch(b *testing.B) {
	publisher := NewPublisher(newStream(b), PublisherConfig{})
	id, input := identity(b), append(bytes.Repeat([]byte(" "), 1022), "{}"...)
	var waiting []*PendingBatch
	settle := func() {
		if _, err := waiting[0].Wait(b.Context()); err != nil || waiting[0].Refused() != nil {
			b.Fatal(err, waiting[0].Refused())
		}
		waiting = waiting[1:]
	}
	requests := make([]Request, 0, MaxBatch)
	b.SetBytes(int64(len(input)))
	for i := range b.N {
		requests = append(requests, Request{Identity: id, Input: input, RequestID: strconv.Itoa(i)})
		if len(requests) == MaxBatch || i == b.N-1 {
			if len(waiting) == 4 {
				settle()
			}
			waiting = append(waiting, sendBatch(b, publisher, requests))
			requests = requests[:0]
		}
	}
	for len(waiting) > 0 {
		settle()
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
}
