package foreign

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
	"oprun.example/pkg/oprun"
)

const (
	traceParent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	traceState  = "vendor=1,other=2"
)

// input is one whose identity is this connection's own.
func input(connection string) string {
	return fmt.Sprintf(`{"connection_id": %q, "policy_type": "home"}`, connection)
}

// accepted is a header block with which a message is a job.
type accepted struct {
	header  string
	request string // its request id, or ""
	seen    seen   // by the handler, but for the run's id; no initiator: system
}

var acceptedHeaders = map[string]accepted{
	"none at all":          {},
	"an empty block":       {header: block()},
	"a Nats-Msg-Id":        {header: block("Nats-Msg-Id: whatever it is")},
	"a request id":         {header: block("Oprun-Request-Id: order-7"), request: "order-7"},
	"one in other letters": {header: block("oprun-REQUEST-id: order-7b"), request: "order-7b"},
	"one without a space":  {header: block("Oprun-Request-Id:order-7c"), request: "order-7c"},
	"a long request id":    {header: block("Oprun-Request-Id: " + strings.Repeat("~", 128)), request: strings.Repeat("~", 128)},
	"an initiator":         {header: block("Oprun-Initiator: Jürgen (ops)"), seen: seen{Initiator: "Jürgen (ops)"}},
	"an empty initiator":   {header: block("Oprun-Initiator:")},
	"a long initiator":     {header: block("Oprun-Initiator: " + strings.Repeat("ü", 128)), seen: seen{Initiator: strings.Repeat("ü", 128)}},
	"version 1":            {header: block("Oprun-Version: 1")},
	"a trace in lower case": {
		header: block("traceparent: "+traceParent, "tracestate: "+traceState),
		seen:   seen{TraceParent: traceParent, TraceState: traceState},
	},
	"a trace in upper case": {
		header: block("TRACEPARENT: "+traceParent, "TRACESTATE: "+traceState),
		seen:   seen{TraceParent: traceParent, TraceState: traceState},
	},
	"a trace in title case": {
		header: block("Tracestate: "+traceState, "Traceparent: "+traceParent),
		seen:   seen{TraceParent: traceParent, TraceState: traceState},
	},
	"a trace that is none":        {header: block("traceparent: 00-nonsense-01", "tracestate: "+traceState)},
	"headers that mean nothing":   {header: block("X-Foreign: \x01\xff", "Content-Type: application/json")},
	"a status like the broker's":  {header: "NATS/1.0 503\r\n\r\n"},
	"a status and a description":  {header: "NATS/1.0 408 Request Timeout\r\nOprun-Request-Id: order-8\r\n\r\n", request: "order-8"},
	"headers of 16 KiB in all":    {header: block("X: " + strings.Repeat("x", events.MaxHeaderBytes-len("NATS/1.0\r\nX: \r\n\r\n")))},
	"a block that ends too early": {header: "NATS/1.0\r\nOprun-Request-Id: order-10\r\n\r\nX: nobody reads this\r\n\r\n", request: "order-10"},
	"one that ends before lies about its place": {
		header: "NATS/1.0\r\nNats-Stream: JOBS\r\nNats-Sequence: 999999\r\nNats-Time-Stamp: 2026-11-26T00:00:00Z\r\nNats-Subject: jobs.lies\r\n\r\nX: 1\r\n\r\n",
	},
	"one that saves on its lines what it hides": {
		header: "NATS/1.0\r\nNats-Stream: JOBS\r\nNats-Sequence: 999999\r\nNats-Time-Stamp: 2026-11-26T00:00:00Z\r\nNats-Subject: jobs.lies\r\n" +
			shortLines(200) + "\r\nX: 1\r\n\r\n",
	},
	"a value after many spaces":   {header: block("Oprun-Initiator:    ada"), seen: seen{Initiator: "ada"}},
	"lines that end in a newline": {header: "NATS/1.0\r\nOprun-Request-Id: order-9\n\r\n", request: "order-9"},
}

// shortLines are headers written with two bytes less than a library would.
func shortLines(n int) string {
	var lines strings.Builder
	for i := range n {
		fmt.Fprintf(&lines, "x%d:\n", i)
	}
	return lines.String()
}

// What a client without a library writes in headers is what the handler and the ledger see.
func TestHeadersThatAJobMayHave(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	client := dial(t, w.url)
	acks := map[string]puback{}
	for name, message := range acceptedHeaders {
		acks[name] = client.accept(w.fetch(), message.header, input(name))
	}
	for name, message := range acceptedHeaders {
		got, want := w.effect(name), message.seen
		if want.RunID = w.runID(message.request, acks[name].Seq); want.Initiator == "" {
			want.Initiator = events.DefaultInitiator
		}
		if got != want {
			t.Errorf("%s: the handler saw %+v, want %+v", name, got, want)
		}
	}
	w.settled()
	if n := w.count("select count(*) from oprun.dead_letters"); n != 0 {
		t.Errorf("%d dead letters", n)
	}
	w.wantAllReadable(len(acceptedHeaders))
}

// runID is that of the tenant's job that was asked for under this request id, or stands at this place.
func (w *world) runID(request string, seq uint64) uuid.UUID {
	w.t.Helper()
	occurrence := dedupe.ByRequest(request, time.Time{})
	if request == "" {
		place := w.place(seq)
		occurrence = dedupe.ByPlace(place.Stream, place.Seq, place.StoredAt)
	}
	return occurrence.RunID(dedupe.Tenant(w.tenant), fetchType)
}

// refused is a message that can never run.
type refused struct {
	reason  dedupe.Reason
	header  string
	body    string // empty: one that could run
	subject string // empty: the tenant's
}

func (w *world) refusedMessages() map[string]refused {
	of := events.Subjects{}
	long := strings.Repeat("x", 129)
	return map[string]refused{
		"another version":                   {reason: dedupe.VersionUnknown, header: block("Oprun-Version: 2")},
		"an empty version":                  {reason: dedupe.VersionUnknown, header: block("Oprun-Version:")},
		"a version in other letters":        {reason: dedupe.VersionUnknown, header: block("OPRUN-VERSION: 1.0")},
		"a repeated header":                 {reason: dedupe.HeaderInvalid, header: block("Oprun-Request-Id: a", "Oprun-Request-Id: a")},
		"one repeated in other letters":     {reason: dedupe.HeaderInvalid, header: block("Oprun-Request-Id: a", "oprun-request-id: a")},
		"a trace twice, in two cases":       {reason: dedupe.HeaderInvalid, header: block("traceparent: "+traceParent, "Traceparent: "+traceParent)},
		"a repeated header of no meaning":   {reason: dedupe.HeaderInvalid, header: block("X-Foreign: 1", "X-Foreign: 2")},
		"a line that is no header":          {reason: dedupe.HeaderInvalid, header: block("Oprun-Version 2")},
		"a block that does not begin right": {reason: dedupe.HeaderInvalid, header: "HTTP/1.1\r\nOprun-Version: 2\r\n\r\n"},
		"a block without an end":            {reason: dedupe.HeaderInvalid, header: "NATS/1.0\r\nOprun-Version: 2"},
		"headers of more than 16 KiB":       {reason: dedupe.HeaderInvalid, header: block("X: " + strings.Repeat("x", events.MaxHeaderBytes))},
		"an empty request id":               {reason: dedupe.HeaderInvalid, header: block("Oprun-Request-Id:")},
		"a request id of 129":               {reason: dedupe.HeaderInvalid, header: block("Oprun-Request-Id: " + long)},
		"a request id with a space":         {reason: dedupe.HeaderInvalid, header: block("Oprun-Request-Id: a b")},
		"an initiator of 129":               {reason: dedupe.HeaderInvalid, header: block("Oprun-Initiator: " + long)},
		"a run id that is none":             {reason: dedupe.HeaderInvalid, header: block("Oprun-Run-Id: 7")},
		"an occurrence that is none":        {reason: dedupe.HeaderInvalid, header: block("Oprun-Occurrence: JOBS/7")},
		"a body of 256 KiB and a byte":      {reason: dedupe.Oversize, body: `{"connection_id":"` + strings.Repeat("x", events.MaxInputBytes-19) + `"}`},
		"a body that nests 33 deep":         {reason: dedupe.Malformed, body: `{"connection_id":` + strings.Repeat("[", 32) + strings.Repeat("]", 32) + `}`},
		"a name twice in the body":          {reason: dedupe.Malformed, body: `{"connection_id":"a","policy_type":"a","connection_id":"b"}`},
		"a body that is an array":           {reason: dedupe.Malformed, body: `[` + input("a") + `]`},
		"a body that is no JSON":            {reason: dedupe.Malformed, body: `connection_id=a`},
		"a missing identity input":          {reason: dedupe.IdentityInputMissing, body: `{"connection_id":"a"}`},
		"an inexact identity input":         {reason: dedupe.IdentityInputInexact, body: `{"connection_id":9007199254740993,"policy_type":"a"}`},
		"a type that nobody declared":       {reason: dedupe.TypeUnknown, subject: of.Subject(dedupe.Tenant(w.tenant), "assignments.forget")},
		"a tenant's type for a workspace":   {reason: dedupe.TypeUnknown, subject: of.Subject(dedupe.Workspace(w.workspace), fetchType)},
		"an unknown tenant":                 {reason: dedupe.ScopeUnknown, subject: of.Subject(dedupe.Tenant(uuid.New()), fetchType)},
		"an unknown workspace":              {reason: dedupe.ScopeUnknown, subject: of.Subject(dedupe.Workspace(uuid.New()), tidyType)},
		"a subject without a scope":         {reason: dedupe.Malformed, subject: "jobs." + fetchType},
	}
}

// A message that can never run is stored, since the stream judges nothing, and is then with its reason in the dead
// letters; nothing of it is obeyed.
func TestMessagesThatCannotRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	client := dial(t, w.url)
	sent, seqs := w.refusedMessages(), map[int64]string{}
	for name, message := range sent {
		if message.body == "" {
			message.body = input(name)
		}
		if message.subject == "" {
			message.subject = w.fetch()
		}
		seqs[int64(client.accept(message.subject, message.header, message.body).Seq)] = name
	}
	w.settled()
	for _, letter := range must(w.ledger.DeadLetters(t.Context(), oprun.DeadLetterFilter{Limit: 100}))(t) {
		name := seqs[letter.Seq]
		if want := sent[name].reason.String(); letter.Reason != want {
			t.Errorf("%s: the reason is %s, want %s", name, letter.Reason, want)
		}
		delete(seqs, letter.Seq)
	}
	if len(seqs) > 0 {
		t.Errorf("no dead letters for %v", seqs)
	}
	if n := w.count("select count(*) from oprun.operation_runs"); n != 0 {
		t.Errorf("%d of them became runs", n)
	}
	w.wantAllReadable(len(sent))
}

// wantAllReadable fails the test unless the stream can be read from end to end, as audits and replays do.
func (w *world) wantAllReadable(messages int) {
	w.t.Helper()
	var seq uint64
	for message, err := range events.Read(w.t.Context(), w.js, w.topology.Stream, events.Range{}) {
		check(w.t, err)
		if seq++; message.Seq != seq {
			w.t.Fatalf("message %d was read as the %dth", message.Seq, seq)
		}
	}
	if seq != uint64(messages) {
		w.t.Errorf("%d messages were read, want %d", seq, messages)
	}
}
