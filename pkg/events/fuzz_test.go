package events

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/nats-io/nats.go"

	"oprun.example/pkg/dedupe"
)

// wire spells a header as a message carries it.
func wire(header nats.Header) []byte {
	var text bytes.Buffer
	text.WriteString("NATS/1.0\r\n")
	for name, values := range header {
		for _, value := range values {
			text.WriteString(name + ": " + value + "\r\n")
		}
	}
	text.WriteString("\r\n")
	return text.Bytes()
}

// FuzzDecode: whatever comes from the wire is a job or a refusal with a reason, and a job is well-formed.
func FuzzDecode(f *testing.F) {
	full := nats.Header{
		HeaderRunID: {runUUID.String()}, HeaderRequestID: {"order-7"}, HeaderInitiator: {"Jürgen"}, HeaderVersion: {"1"},
		HeaderOccurrence: {"JOBS/42/1763856000123456789"}, HeaderTraceParent: {parent}, HeaderTraceState: {state},
	}
	f.Add(fetchSubject, wire(nil), []byte(`{"page":1}`))
	f.Add(fetchSubject, wire(full), []byte(`{"a":[{"b":"\u0000"}]}`))
	f.Add(fetchSubject, wire(binaryEvent(nats.Header{"ce-time": {"2025-11-23T12:00:00Z"}})), []byte(`{}`))
	f.Add(fetchSubject, wire(nats.Header{"Content-Type": {structuredPrefix}}), []byte(structuredEvent))
	f.Add(fetchSubject, wire(nil), nested(33))
	f.Add("jobs.tenant.x", []byte("NATS/1.0"), []byte(nil))
	f.Fuzz(func(t *testing.T, subject string, headerBytes, body []byte) {
		header, err := nats.DecodeHeadersMsg(headerBytes)
		if err != nil {
			return
		}
		original := bytes.Clone(body)
		job, err := Codec{Alias: alias}.Decode(Message{subject, header, body, "JOBS", 42, stored})
		if !bytes.Equal(body, original) {
			t.Error("the body was changed")
		}
		if err != nil {
			refusal, ok := errors.AsType[*Refusal](err)
			if !ok || !knownReason(refusal.Reason) {
				t.Fatalf("got %v", err)
			}
			checkDetail(t, refusal)
			return
		}
		checkJob(t, job, subject)
	})
}

func knownReason(reason dedupe.Reason) bool {
	return reason > 0 && !strings.HasPrefix(reason.String(), "reason ")
}

func checkJob(t *testing.T, job Job, subject string) {
	t.Helper()
	if (Subjects{}).Subject(job.Scope, job.Type) != subject {
		t.Errorf("scope %v and type %q of %q", job.Scope, job.Type, subject)
	}
	if len(job.Input) > MaxInputBytes || json.Unmarshal(job.Input, &map[string]any{}) != nil {
		t.Errorf("input %q", job.Input)
	}
	if job.RequestID != "" && !validRequestID(job.RequestID) || !validInitiator(job.Initiator) || job.Initiator == "" {
		t.Errorf("got %+v", job)
	}
	if job.Occurrence == (dedupe.Occurrence{}) || job.AcceptedAt.IsZero() {
		t.Errorf("got %+v", job)
	}
}

// FuzzRequest: what a publisher agrees to send, a codec reads as it was meant.
func FuzzRequest(f *testing.F) {
	f.Add("order-7", "Jürgen", parent, state, []byte(`{}`), []byte(nil), false)
	f.Add("", "", "", "", []byte(`{"a":1}`), runUUID[:], false)
	f.Add("", " ", "x", "", []byte(`{"a":1}`), []byte(nil), true)
	f.Fuzz(func(t *testing.T, requestID, initiator, traceParent, traceState string, input, runID []byte, coalesce bool) {
		request := Request{
			Identity: dedupe.Identity{Scope: tenant, Type: fetchType, Hash: [32]byte{1}}, Input: input,
			RequestID: requestID, Initiator: initiator, TraceParent: traceParent, TraceState: traceState, Coalesce: coalesce,
		}
		if id, err := uuid.FromBytes(runID); err == nil {
			request.RunID = id
		}
		msg, err := request.message(Subjects{})
		if err != nil {
			return
		}
		header, err := nats.DecodeHeadersMsg(wire(msg.Header))
		if err != nil {
			t.Fatalf("%v: %q", err, msg.Header)
		}
		job, err := Codec{}.Decode(Message{msg.Subject, header, msg.Data, "JOBS", 42, stored})
		if err != nil {
			t.Fatalf("%v: %q", err, msg.Header)
		}
		if initiator == "" {
			initiator = DefaultInitiator
		}
		want := []string{request.RequestID, initiator, request.RunID.String(), string(input)}
		if diff := cmp.Diff(want, []string{job.RequestID, job.Initiator, job.RunID.String(), string(job.Input)}); diff != "" {
			t.Error(diff)
		}
	})
}
