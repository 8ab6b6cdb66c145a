package events

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
)

// recordedJob is a message with everything in its header that a replay has to do with.
func recordedJob() Message {
	return message(nats.Header{
		"Nats-Msg-Id": {"old"}, "nats-expected-last-sequence": {"99"}, "Nats-Rollup": {"all"}, "oprun-run-id": {runUUID.String()},
		"Oprun-Request-Id": {"order-7"}, "Oprun-Initiator": {"ada"}, "traceparent": {parent}, "x": {"1", "2"},
	})
}

func TestAgain(t *testing.T) {
	t.Parallel()
	m := recordedJob()
	again := m.Again("replay/1")
	want := Message{Subject: fetchSubject, Data: m.Data, Header: nats.Header{
		"Nats-Msg-Id": {"replay/1"}, "Oprun-Occurrence": {"JOBS/42/1763856000123456789"}, "oprun-run-id": {runUUID.String()},
		"Oprun-Request-Id": {"order-7"}, "Oprun-Initiator": {"ada"}, "traceparent": {parent}, "x": {"1", "2"},
	}}
	if diff := cmp.Diff(want, again); diff != "" {
		t.Errorf("the message published again (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(recordedJob(), m); diff != "" {
		t.Errorf("the recorded message has changed:\n%s", diff)
	}
	again.Stream, again.Seq, again.StoredAt = "COPY", 1, stored.Add(time.Hour)
	if twice := again.Again("replay/2"); twice.Header.Get(HeaderOccurrence) != "JOBS/42/1763856000123456789" {
		t.Errorf("replayed twice it is %s, want the place where it was first", twice.Header)
	}
}

func TestAnew(t *testing.T) {
	t.Parallel()
	m := recordedJob()
	m.Header["OPRUN-occurrence"], m.Header["oprun-replayed-from"] = []string{"JOBS/1/1"}, []string{"JOBS/2/2"}
	anew := m.Anew("new", "replay/1").ReplayedFrom(m.Place())
	want := Message{Subject: fetchSubject, Data: m.Data, Header: nats.Header{
		"Nats-Msg-Id": {"replay/1"}, "Oprun-Request-Id": {"new"}, "Oprun-Replayed-From": {"JOBS/42/1763856000123456789"},
		"Oprun-Initiator": {"ada"}, "traceparent": {parent}, "x": {"1", "2"},
	}}
	if diff := cmp.Diff(want, anew); diff != "" {
		t.Errorf("the new request (-want +got):\n%s", diff)
	}
}
