package events

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"oprun.example/pkg/dedupe"
)

func TestPublish_refuses(t *testing.T) {
	t.Parallel()
	conn := connect(t, startServer(t, &server.Options{}))
	publisher := NewPublisher(jetStreamOn(t, conn), PublisherConfig{})
	for name, change := range map[string]func(*Request){
		"no_scope":                      func(r *Request) { r.Identity.Scope = dedupe.Scope{} },
		"a_bad_type":                    func(r *Request) { r.Identity.Type = "fetch" },
		"no_identity":                   func(r *Request) { r.Identity.Hash = [32]byte{} },
		"no_input":                      func(r *Request) { r.Input = nil },
		"an_input_of_300_KiB":           func(r *Request) { r.Input = filled(300 << 10) },
		"a_request_id_with_spaces":      func(r *Request) { r.RequestID = "a b" },
		"a_request_id_of_two_lines":     func(r *Request) { r.RequestID = "a\r\nOprun-Run-Id: x" },
		"a_long_initiator":              func(r *Request) { r.Initiator = strings.Repeat("x", 129) },
		"an_initiator_that_NATS_trims":  func(r *Request) { r.Initiator = "x " },
		"a_message_id_of_two_lines":     func(r *Request) { r.MsgID = "a\nb" },
		"a_long_message_id":             func(r *Request) { r.MsgID = strings.Repeat("x", 257) },
		"a_run_id_that_coalesces":       func(r *Request) { r.RunID, r.Coalesce = runUUID, true },
		"a_dispatch_number_less_than_0": func(r *Request) { r.RunID, r.DispatchNo = runUUID, -1 },
	} {
		request := Request{Identity: identity(t), Input: []byte(`{}`)}
		change(&request)
		if ack, err := publisher.Publish(deadline(t), request); err == nil {
			t.Errorf("%s: got %+v", name, ack)
		}
	}
	_, err := publisher.Publish(deadline(t), Request{Identity: identity(t), Input: []byte(`{"a":1,"a":2}`)})
	if refusal, ok := errors.AsType[*Refusal](err); !ok || refusal.Reason != dedupe.Malformed {
		t.Errorf("a bad input: got %v", err)
	}
	bad := NewPublisher(jetStreamOn(t, conn), PublisherConfig{Subjects: Subjects{Prefix: "events"}})
	if _, err := bad.Publish(deadline(t), Request{Identity: identity(t), Input: []byte(`{}`)}); err == nil {
		t.Error("a bad prefix is taken")
	}
	if stats := conn.Stats(); stats.OutMsgs != 0 {
		t.Errorf("%d messages were sent", stats.OutMsgs)
	}
}

func wantPublishError(t *testing.T, err, want error, words string) {
	t.Helper()
	if !errors.Is(err, want) || !strings.Contains(err.Error(), words) {
		t.Errorf("got %v, want %v with %q", err, want, words)
	}
}

func TestPublish_fails(t *testing.T) {
	t.Parallel()
	request := Request{Identity: identity(t), Input: []byte(`{}`)}
	t.Run("without_a_stream_and_says_how_to_make_it", func(t *testing.T) {
		t.Parallel()
		_, err := NewPublisher(newJetStream(t), PublisherConfig{}).Publish(deadline(t), request)
		wantPublishError(t, err, ErrNoStream, "consumer topology apply")
	})
	t.Run("when_the_stream_is_full", func(t *testing.T) {
		t.Parallel()
		js, topology := newJetStream(t), DefaultTopology()
		topology.MaxBytes = 300 << 10
		mustApply(t, js, topology, false)
		publisher := NewPublisher(js, PublisherConfig{})
		mustPublish(t, publisher, Request{Identity: identity(t), Input: filled(MaxInputBytes)})
		_, err := publisher.Publish(deadline(t), Request{Identity: identity(t), Input: filled(MaxInputBytes)})
		wantPublishError(t, err, ErrStreamFull, "raise max_bytes (what it holds leaves it by age only, done or not)")
	})
	t.Run("on_a_closed_connection", func(t *testing.T) {
		t.Parallel()
		conn := connect(t, startServer(t, &server.Options{}))
		publisher := NewPublisher(jetStreamOn(t, conn), PublisherConfig{})
		conn.Close()
		_, err := publisher.Publish(deadline(t), request)
		wantPublishError(t, err, nats.ErrConnectionClosed, fetchSubject)
	})
	t.Run("without_permission_and_says_so", func(t *testing.T) {
		t.Parallel()
		deny := &server.SubjectPermission{Deny: []string{"jobs.>"}}
		s := startServer(t, &server.Options{JetStream: true, Users: []*server.User{
			{Username: "u", Password: "p", Permissions: &server.Permissions{Publish: deny}},
		}})
		quiet := nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})
		publisher := NewPublisher(jetStreamOn(t, connect(t, s, nats.UserInfo("u", "p"), quiet)), PublisherConfig{
			AckTimeout: 50 * time.Millisecond, Tries: 2,
		})
		ack, err := publisher.Publish(deadline(t), request)
		wantPublishError(t, err, ErrNoAck, "permission")
		if ack.Tries != 2 || ack.RequestID == "" {
			t.Errorf("got %+v", ack)
		}
	})
	t.Run("when_too_many_acknowledgements_are_missing", func(t *testing.T) {
		t.Parallel()
		conn := connect(t, startServer(t, &server.Options{}))
		subscribe(t, conn)
		publisher := NewPublisher(jetStreamOn(t, conn), PublisherConfig{MaxPending: 1, StallWait: time.Millisecond})
		if _, err := publisher.PublishAsync(deadline(t), request); err != nil {
			t.Fatal(err)
		}
		_, err := publisher.PublishAsync(deadline(t), request)
		wantPublishError(t, err, ErrNoAck, "stalled")
	})
}

// subscribe stands where a stream would be, and acknowledges nothing by itself.
func subscribe(t *testing.T, conn *nats.Conn) <-chan *nats.Msg {
	t.Helper()
	sent := make(chan *nats.Msg, 1024) // filled by the connection, never closed
	if _, err := conn.ChanSubscribe("jobs.>", sent); err != nil {
		t.Fatal(err)
	}
	return sent
}

func TestWait_ends_with_the_context_and_may_be_called_again(t *testing.T) {
	t.Parallel()
	conn := connect(t, startServer(t, &server.Options{}))
	sent := subscribe(t, conn)
	pending, err := NewPublisher(jetStreamOn(t, conn), PublisherConfig{}).
		PublishAsync(deadline(t), Request{Identity: identity(t), Input: []byte(`{}`)})
	if err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(deadline(t), time.Millisecond)
	defer cancel()
	_, err = pending.Wait(short)
	wantPublishError(t, err, ErrNoAck, "permission")
	wantPublishError(t, err, context.DeadlineExceeded, fetchSubject)

	if err := (<-sent).Respond([]byte(`{"stream":"JOBS","seq":7}`)); err != nil {
		t.Fatal(err)
	}
	want := Ack{Stream: "JOBS", Seq: 7, RequestID: pending.RequestID(), Tries: 1}
	for range 2 {
		if ack, err := pending.Wait(deadline(t)); err != nil || ack != want {
			t.Errorf("got %+v, %v", ack, err)
		}
	}
}

func TestPublish_sends_the_same_message_again_when_its_acknowledgement_is_lost(t *testing.T) {
	t.Parallel()
	conn := connect(t, startServer(t, &server.Options{}))
	sent := make(chan *nats.Msg, 1000) // filled by the subscription, never closed
	first := true
	_, err := conn.Subscribe("jobs.>", func(msg *nats.Msg) {
		sent <- msg
		if first {
			first = false
			return
		}
		_ = msg.Respond([]byte(`{"stream":"JOBS","seq":7,"duplicate":true}`))
	})
	if err != nil {
		t.Fatal(err)
	}
	publisher := NewPublisher(jetStreamOn(t, conn), PublisherConfig{AckTimeout: 50 * time.Millisecond, Tries: 1000})
	ack := mustPublish(t, publisher, Request{Identity: identity(t), Input: []byte(`{}`)})
	one, two := <-sent, <-sent
	if diff := cmp.Diff([]any{one.Header, one.Data}, []any{two.Header, two.Data}); diff != "" {
		t.Error(diff)
	}
	if ack.Tries < 2 || !ack.Duplicate || ack.RequestID != one.Header.Get(HeaderRequestID) {
		t.Errorf("got %+v", ack)
	}
}

func TestPublish_sends_again_when_the_broker_comes_back(t *testing.T) {
	t.Parallel()
	options := &server.Options{JetStream: true, Host: "127.0.0.1", Port: server.RANDOM_PORT, StoreDir: t.TempDir()}
	s := startServer(t, options)
	options.Port = s.Addr().(*net.TCPAddr).Port
	lost := make(chan struct{}, 4) // filled by the connection's callback, never closed
	conn := connect(t, s, nats.ReconnectWait(10*time.Millisecond), nats.MaxReconnects(-1),
		nats.DisconnectErrHandler(func(*nats.Conn, error) { lost <- struct{}{} }))
	js := jetStreamOn(t, conn)
	mustApply(t, js, DefaultTopology(), false)
	publisher := NewPublisher(js, PublisherConfig{Tries: 10})
	s.Shutdown()
	s.WaitForShutdown()
	<-lost
	pending, err := publisher.PublishAsync(deadline(t), Request{Identity: identity(t), Input: []byte(`{}`)})
	if err != nil {
		t.Fatal(err)
	}
	startServer(t, options)
	if ack, err := pending.Wait(deadline(t)); err != nil || ack.Stream != "JOBS" {
		t.Errorf("got %+v, %v", ack, err)
	}
}
