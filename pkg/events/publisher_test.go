package events

import (
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"

	"oprun.example/pkg/dedupe"
)

// next fetches one delivery.
func next(t *testing.T, js jetstream.JetStream) Message {
	t.Helper()
	consumer, err := js.Consumer(deadline(t), "JOBS", "oprun")
	if err != nil {
		t.Fatal(err)
	}
	msg, err := consumer.Next(jetstream.FetchMaxWait(30 * time.Second))
	if err != nil {
		t.Fatal(err)
	}
	m, err := FromMsg(msg)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func mustPublish(t *testing.T, publisher *Publisher, request Request) Ack {
	t.Helper()
	ack, err := publisher.Publish(deadline(t), request)
	if err != nil {
		t.Fatal(err)
	}
	return ack
}

func TestPublish_travels(t *testing.T) {
	t.Parallel()
	id := identity(t)
	for name, test := range map[string]struct {
		request Request
		want    Job
		msgID   string
	}{
		"with_a_request_id": {
			Request{RequestID: "order-7"},
			Job{RequestID: "order-7", Initiator: "system"},
			id.MsgID("order-7"),
		},
		"with_everything_else": {
			Request{RequestID: "order-7", Initiator: "Jürgen (ops)", TraceParent: parent, TraceState: state, MsgID: "mine"},
			Job{RequestID: "order-7", Initiator: "Jürgen (ops)", TraceParent: parent, TraceState: state},
			"mine",
		},
		"with_a_run_id": {
			Request{RunID: runUUID, DispatchNo: 3, TraceParent: "not valid"},
			Job{RunID: runUUID, Initiator: "system"},
			dedupe.RunMsgID(runUUID, 3),
		},
		"coalesced": {
			Request{Coalesce: true},
			Job{Initiator: "system"},
			id.MsgID(""),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			js := newStream(t)
			test.request.Identity, test.request.Input = id, []byte(`{"page": 1}`)
			ack := mustPublish(t, NewPublisher(js, PublisherConfig{}), test.request)
			want := Ack{Stream: "JOBS", Seq: 1, RequestID: test.request.RequestID, Tries: 1}
			if diff := cmp.Diff(want, ack); diff != "" {
				t.Error(diff)
			}

			delivered := next(t, js)
			test.want.Scope, test.want.Type, test.want.Input = tenant, fetchType, test.request.Input
			test.want.AcceptedAt = delivered.StoredAt
			test.want.Occurrence = dedupe.ByPlace("JOBS", 1, delivered.StoredAt)
			if id := test.want.RequestID; id != "" {
				test.want.Occurrence = dedupe.ByRequest(id, time.Time{})
			}
			wantJob(t, Codec{}, delivered, test.want)
			if got := delivered.Header.Get(HeaderMsgID); got != test.msgID {
				t.Errorf("message id %q, want %q", got, test.msgID)
			}
			wantReadBack(t, js, delivered)
		})
	}
}

// wantReadBack checks that a message that is read from the stream is the one that was delivered.
func wantReadBack(t *testing.T, js jetstream.JetStream, delivered Message) {
	t.Helper()
	stream, err := js.Stream(deadline(t), "JOBS")
	if err != nil {
		t.Fatal(err)
	}
	raw, err := stream.GetMsg(deadline(t), delivered.Seq)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(delivered, FromRaw("JOBS", raw)); diff != "" {
		t.Errorf("-delivered +read back\n%s", diff)
	}
}

func TestFromRaw_of_a_message_without_headers_is_what_was_delivered(t *testing.T) {
	t.Parallel()
	js := newStream(t)
	if _, err := js.Publish(deadline(t), fetchSubject, []byte(`{}`)); err != nil {
		t.Fatal(err)
	}
	delivered := next(t, js)
	wantReadBack(t, js, delivered)
	if job, err := (Codec{}).Decode(delivered); err != nil || job.Occurrence != dedupe.ByPlace("JOBS", 1, delivered.StoredAt) {
		t.Errorf("got %+v, %v", job, err)
	}
}

func TestPublish(t *testing.T) {
	t.Parallel()
	t.Run("makes_a_UUIDv7_request_id", func(t *testing.T) {
		t.Parallel()
		ack := mustPublish(t, NewPublisher(newStream(t), PublisherConfig{}), Request{Identity: identity(t), Input: []byte(`{}`)})
		if id, err := uuid.Parse(ack.RequestID); err != nil || id.Version() != 7 {
			t.Errorf("got %q", ack.RequestID)
		}
	})
	t.Run("shows_a_suppressed_retry_of_the_same_request", func(t *testing.T) {
		t.Parallel()
		publisher := NewPublisher(newStream(t), PublisherConfig{})
		request := Request{Identity: identity(t), Input: []byte(`{}`)}
		first := mustPublish(t, publisher, request)
		request.RequestID = first.RequestID
		want := first
		want.Duplicate = true
		if diff := cmp.Diff(want, mustPublish(t, publisher, request)); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("shows_a_coalesced_request", func(t *testing.T) {
		t.Parallel()
		publisher := NewPublisher(newStream(t), PublisherConfig{})
		request := Request{Identity: identity(t), Input: []byte(`{}`), Coalesce: true}
		first, second := mustPublish(t, publisher, request), mustPublish(t, publisher, request)
		if first.Duplicate || !second.Duplicate || second.RequestID != "" {
			t.Errorf("got %+v and %+v", first, second)
		}
	})
	t.Run("stores_two_requests_of_one_identity", func(t *testing.T) {
		t.Parallel()
		publisher := NewPublisher(newStream(t), PublisherConfig{})
		request := Request{Identity: identity(t), Input: []byte(`{}`)}
		first, second := mustPublish(t, publisher, request), mustPublish(t, publisher, request)
		if first.Seq != 1 || second.Seq != 2 || second.Duplicate {
			t.Errorf("got %+v and %+v", first, second)
		}
	})
}

func TestPublishAsync_pipelines_10000_messages_in_order(t *testing.T) {
	t.Parallel()
	publisher := NewPublisher(newStream(t), PublisherConfig{MaxPending: 512})
	ctx, id := deadline(t), identity(t)
	pending := make([]*Pending, 10_000)
	for i := range pending {
		var err error
		pending[i], err = publisher.PublishAsync(ctx, Request{Identity: id, Input: []byte(`{}`), RequestID: strconv.Itoa(i)})
		if err != nil {
			t.Fatal(err)
		}
	}
	for i, p := range pending {
		want := Ack{Stream: "JOBS", Seq: uint64(i) + 1, RequestID: strconv.Itoa(i), Tries: 1}
		if ack, err := p.Wait(ctx); err != nil || ack != want {
			t.Fatalf("got %+v, %v, want %+v", ack, err, want)
		}
	}
}
