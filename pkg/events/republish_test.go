package events

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"

	"oprun.example/pkg/dedupe"
)

func TestRepublish(t *testing.T) {
	t.Parallel()
	ctx := deadline(t)
	js := newStream(t)
	stream := DefaultTopology().Stream
	publisher := NewPublisher(js, PublisherConfig{})
	const requestID = "01936f2a-0000-7000-8000-000000000001"
	asNew := nats.Header{HeaderMsgID: {"requeue/1"}, HeaderRequestID: {requestID}}

	t.Run("keeps the body and what does not name the old request", func(t *testing.T) {
		t.Parallel()
		old := Message{Subject: fetchSubject, Data: []byte("not \x00 JSON"), Header: nats.Header{
			"nats-msg-id": {"old"}, "Nats-Expected-Last-Sequence": {"99"}, "Nats-TTL": {"1s"}, "Oprun-Run-Id": {runUUID.String()},
			"oprun-request-id": {"a", "b"}, "OPRUN-OCCURRENCE": {"JOBS/1/1"}, "Oprun-Version": {"2", "3"}, "x": {""},
			"Oprun-Initiator": {"ada"},
		}}
		ack, err := publisher.Republish(ctx, old, requestID, "requeue/1")
		if err != nil {
			t.Fatal(err)
		}
		got, err := ReadBack(ctx, js, stream, ack.Seq)
		if err != nil {
			t.Fatal(err)
		}
		want := nats.Header{"Oprun-Version": {"2", "3"}, "x": {""}, "Oprun-Initiator": {"ada"}}
		for name, values := range asNew {
			want[name] = values
		}
		if diff := cmp.Diff(want, got.Header); diff != "" {
			t.Errorf("headers (-want +got):\n%s", diff)
		}
		if got.Subject != old.Subject || string(got.Data) != string(old.Data) {
			t.Errorf("it travelled as %s %q", got.Subject, got.Data)
		}
		if again, err := publisher.Republish(ctx, old, requestID, "requeue/1"); err != nil || !again.Duplicate || again.Seq != ack.Seq {
			t.Errorf("sent again: %+v, %v, want it suppressed", again, err)
		}
	})

	t.Run("makes a CloudEvent a new request that is the same whenever it is sent", func(t *testing.T) {
		t.Parallel()
		event := Message{Subject: fetchSubject, Data: []byte(`{}`), Header: nats.Header{
			"ce-specversion": {"1.0"}, "ce-type": {fetchType}, "ce-id": {"1"}, "ce-source": {"/test"}, "ce-time": {"2020-01-01T00:00:00Z"},
		}}
		ack, err := publisher.Republish(ctx, event, requestID, "requeue/2")
		if err != nil {
			t.Fatal(err)
		}
		got, err := ReadBack(ctx, js, stream, ack.Seq)
		if err != nil {
			t.Fatal(err)
		}
		job, err := Codec{}.Decode(got)
		if err != nil {
			t.Fatal(err)
		}
		if want := dedupe.ByRequest(requestID, stored); job.Occurrence != want || job.RequestID != requestID {
			t.Errorf("request %q, occurrence %+v, want %+v", job.RequestID, job.Occurrence, want)
		}
	})

	t.Run("refuses what cannot be sent, and says when no stream takes it", func(t *testing.T) {
		t.Parallel()
		bad := Message{Subject: fetchSubject, Header: nats.Header{"a name\r\n": {"x"}}}
		if _, err := publisher.Republish(ctx, bad, requestID, "requeue/3"); !errors.Is(err, nats.ErrBadHeaderMsg) {
			t.Errorf("error %v, want %v", err, nats.ErrBadHeaderMsg)
		}
		if _, err := publisher.Republish(ctx, Message{Subject: "elsewhere.x"}, requestID, "requeue/4"); !errors.Is(err, ErrNoStream) {
			t.Errorf("error %v, want %v", err, ErrNoStream)
		}
	})
}
