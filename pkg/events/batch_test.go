package events

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// numbered are n requests of one identity, whose ids are the numbers from first on.
func numbered(t testing.TB, first, n int) []Request {
	t.Helper()
	id, requests := identity(t), make([]Request, n)
	for i := range requests {
		requests[i] = Request{Identity: id, Input: []byte(`{"page": ` + strconv.Itoa(first+i) + `}`), RequestID: strconv.Itoa(first + i)}
	}
	return requests
}

func sendBatch(t testing.TB, publisher *Publisher, requests []Request) *PendingBatch {
	t.Helper()
	pending, err := publisher.PublishBatch(deadline(t), requests)
	if err != nil {
		t.Fatal(err)
	}
	return pending
}

// wantAcks checks that a batch ends well, with these sequence numbers.
func wantAcks(t testing.TB, pending *PendingBatch, want []Ack) {
	t.Helper()
	acks, err := pending.Wait(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, acks); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// acksFrom are the answers to numbered requests that are stored one after the other.
func acksFrom(first, seq, n int) []Ack {
	acks := make([]Ack, n)
	for i := range acks {
		acks[i] = Ack{Stream: "JOBS", Seq: uint64(seq + i), RequestID: strconv.Itoa(first + i), Tries: 1}
	}
	return acks
}

func messages(t testing.TB, js jetstream.JetStream) int {
	t.Helper()
	stream, err := js.Stream(deadline(t), "JOBS")
	if err != nil {
		t.Fatal(err)
	}
	return int(stream.CachedInfo().State.Msgs)
}

func TestPublishBatch_stores_batches_in_their_order(t *testing.T) {
	t.Parallel()
	js := newStream(t)
	publisher := NewPublisher(js, PublisherConfig{})
	one, two := sendBatch(t, publisher, numbered(t, 0, MaxBatch)), sendBatch(t, publisher, numbered(t, MaxBatch, 10))
	wantAcks(t, one, acksFrom(0, 1, MaxBatch))
	wantAcks(t, two, acksFrom(MaxBatch, MaxBatch+1, 10))
	if one.Refused() != nil || two.Refused() != nil {
		t.Errorf("they were sent one by one: %v, %v", one.Refused(), two.Refused())
	}
	m := next(t, js)
	if job, err := (Codec{}).Decode(m); err != nil || job.RequestID != "0" || string(job.Input) != `{"page": 0}` {
		t.Errorf("got %+v, %v", job, err)
	}
}

func TestPublishBatch_with_a_job_that_is_there_already_stores_the_others(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		before, batch []Request
	}{
		"stored before":     {numbered(t, 1, 1), numbered(t, 0, 3)},
		"twice in one":      {nil, append(numbered(t, 0, 3), numbered(t, 1, 1)...)},
		"all stored before": {numbered(t, 0, 3), numbered(t, 0, 3)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			js := newStream(t)
			publisher := NewPublisher(js, PublisherConfig{})
			for _, request := range test.before {
				mustPublish(t, publisher, request)
			}
			pending := sendBatch(t, publisher, test.batch)
			acks, err := pending.Wait(deadline(t))
			if err != nil || pending.Refused() == nil {
				t.Fatalf("got %v, refused: %v", err, pending.Refused())
			}
			duplicates := 0
			for _, ack := range acks {
				if ack.Duplicate {
					duplicates++
				}
				if ack.Seq == 0 || ack.Tries != 1 {
					t.Errorf("got %+v", ack)
				}
			}
			if want := len(test.before) + len(test.batch) - 3; duplicates != want || messages(t, js) != 3 {
				t.Errorf("%d duplicates, want %d; %d messages, want 3", duplicates, want, messages(t, js))
			}
		})
	}
}

func TestPublishBatch_goes_one_by_one_where_the_stream_takes_no_batches(t *testing.T) {
	t.Parallel()
	js := newStream(t)
	stream, err := js.Stream(deadline(t), "JOBS")
	if err != nil {
		t.Fatal(err)
	}
	config := stream.CachedInfo().Config
	config.AllowAtomicPublish = false
	if _, err := js.UpdateStream(deadline(t), config); err != nil {
		t.Fatal(err)
	}
	publisher := NewPublisher(js, PublisherConfig{})
	first := sendBatch(t, publisher, numbered(t, 0, 5))
	wantAcks(t, first, acksFrom(0, 1, 5))
	second := sendBatch(t, publisher, numbered(t, 5, 5))
	wantAcks(t, second, acksFrom(5, 6, 5))
	if first.Refused() == nil || second.Refused() != nil {
		t.Errorf("refused: %v, then %v, want it to be tried once", first.Refused(), second.Refused())
	}
}

func TestPublishBatch_that_is_not_acknowledged_is_sent_one_by_one(t *testing.T) {
	t.Parallel()
	conn := connect(t, startServer(t, &server.Options{}))
	seq := 0
	_, err := conn.Subscribe("jobs.>", func(msg *nats.Msg) {
		if msg.Reply != "" && msg.Header.Get(headerBatchID) == "" { // it is deaf to batches
			seq++
			_ = msg.Respond([]byte(`{"stream":"JOBS","seq":` + strconv.Itoa(seq) + `}`))
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	publisher := NewPublisher(jetStreamOn(t, conn), PublisherConfig{AckTimeout: 100 * time.Millisecond, Tries: 1000})
	acks, err := sendBatch(t, publisher, numbered(t, 0, 3)).Wait(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	for i, ack := range acks {
		if ack.Seq == 0 || ack.Tries < 2 || ack.RequestID != strconv.Itoa(i) {
			t.Errorf("got %+v", ack)
		}
	}
}

func TestPublishBatch_fails(t *testing.T) {
	t.Parallel()
	t.Run("without_a_stream", func(t *testing.T) {
		t.Parallel()
		acks, err := sendBatch(t, NewPublisher(newJetStream(t), PublisherConfig{}), numbered(t, 0, 3)).Wait(deadline(t))
		wantPublishError(t, err, ErrNoStream, "consumer topology apply")
		if acks[0].Seq != 0 || acks[0].RequestID != "0" {
			t.Errorf("got %+v", acks)
		}
	})
	t.Run("whole_when_the_stream_has_no_room_for_all_of_it", func(t *testing.T) {
		t.Parallel()
		js, topology := newJetStream(t), DefaultTopology()
		topology.MaxBytes = 2000
		mustApply(t, js, topology, false)
		publisher := NewPublisher(js, PublisherConfig{})
		wantAcks(t, sendBatch(t, publisher, numbered(t, 0, 2)), acksFrom(0, 1, 2))
		acks, err := sendBatch(t, publisher, numbered(t, 2, 100)).Wait(deadline(t))
		wantPublishError(t, err, ErrStreamFull, "max_bytes")
		if acks[0].Seq != 0 || messages(t, js) != 2 {
			t.Errorf("%d messages, and of the first of the second batch %+v", messages(t, js), acks[0])
		}
	})
	t.Run("before_it_is_sent_when_a_request_is_invalid_or_there_are_too_many", func(t *testing.T) {
		t.Parallel()
		conn := connect(t, startServer(t, &server.Options{}))
		publisher := NewPublisher(jetStreamOn(t, conn), PublisherConfig{})
		requests := numbered(t, 0, 3)
		requests[1].Input = []byte(`[]`)
		_, err := publisher.PublishBatch(deadline(t), requests)
		if _, refused := errors.AsType[*Refusal](err); !refused {
			t.Errorf("got %v", err)
		}
		if _, err := publisher.PublishBatch(deadline(t), numbered(t, 0, MaxBatch+1)); err == nil {
			t.Error("a batch of 1001 was taken")
		}
		if stats := conn.Stats(); stats.OutMsgs != 0 {
			t.Errorf("%d messages were sent", stats.OutMsgs)
		}
	})
	t.Run("with_the_context_and_may_be_waited_for_again", func(t *testing.T) {
		t.Parallel()
		conn := connect(t, startServer(t, &server.Options{}))
		sent := subscribe(t, conn)
		pending := sendBatch(t, NewPublisher(jetStreamOn(t, conn), PublisherConfig{}), numbered(t, 0, 2))
		short, cancel := context.WithTimeout(deadline(t), time.Millisecond)
		defer cancel()
		_, err := pending.Wait(short)
		wantPublishError(t, err, context.DeadlineExceeded, fetchSubject)
		<-sent
		if err := (<-sent).Respond([]byte(`{"stream":"JOBS","seq":8,"batch":"x","count":2}`)); err != nil {
			t.Fatal(err)
		}
		wantAcks(t, pending, acksFrom(0, 7, 2))
	})
}
