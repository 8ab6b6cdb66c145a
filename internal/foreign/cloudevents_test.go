package foreign

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	cebinding "github.com/cloudevents/sdk-go/v2/binding"
	ceformat "github.com/cloudevents/sdk-go/v2/binding/format"
	cespec "github.com/cloudevents/sdk-go/v2/binding/spec"
	ce "github.com/cloudevents/sdk-go/v2/event"
	cetypes "github.com/cloudevents/sdk-go/v2/types"

	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/oprun"
)

// encoded is an event as the CloudEvents SDK for Go writes it, an implementation that is not ours.
type encoded struct {
	header []string
	body   string
	escape bool // values are percent-encoded, as the HTTP and NATS bindings ask for; the SDK's own NATS client does not
}

// encode has the SDK write the event in this mode.
func encode(t *testing.T, e ce.Event, mode cebinding.Encoding, escape bool) *encoded {
	t.Helper()
	to := &encoded{escape: escape}
	ctx := cebinding.WithPreferredEventEncoding(t.Context(), mode)
	got, err := cebinding.Write(ctx, cebinding.ToMessage(&e), to, to)
	if err != nil || got != mode {
		t.Fatalf("the SDK wrote mode %v: %v", got, err)
	}
	return to
}

func (m *encoded) SetStructuredEvent(_ context.Context, format ceformat.Format, event io.Reader) error {
	m.header = append(m.header, "Content-Type: "+format.MediaType())
	return m.SetData(event)
}

func (m *encoded) Start(context.Context) error { return nil }
func (m *encoded) End(context.Context) error   { return nil }

func (m *encoded) SetAttribute(attribute cespec.Attribute, value any) error {
	if m.escape && attribute.Kind() == cespec.DataContentType {
		m.header = append(m.header, fmt.Sprintf("Content-Type: %s", value))
		return nil
	}
	return m.SetExtension(attribute.Name(), value)
}

func (m *encoded) SetExtension(name string, value any) error {
	text, err := cetypes.Format(value)
	if m.escape {
		text = percentEncoded(text)
	}
	m.header = append(m.header, "ce-"+name+": "+text)
	return err
}

func (m *encoded) SetData(data io.Reader) error {
	text, err := io.ReadAll(data)
	m.body = string(text)
	return err
}

// percentEncoded is the text as the bindings want it in a header (HTTP protocol binding 1.0.2, §3.1.3.2).
func percentEncoded(text string) string {
	var out strings.Builder
	for _, c := range []byte(text) {
		if c <= ' ' || c > '~' || c == '"' || c == '%' {
			fmt.Fprintf(&out, "%%%02X", c)
		} else {
			out.WriteByte(c)
		}
	}
	return out.String()
}

// newEvent is an event of the SDK's that asks for the tenant's job.
func newEvent(t *testing.T, source, id, connection string) ce.Event {
	t.Helper()
	e := ce.New()
	e.SetType("com.example.assignments.fetch")
	e.SetSource(source)
	e.SetID(id)
	e.SetTime(time.Date(2026, 11, 25, 12, 0, 0, 123456789, time.UTC))
	e.SetSubject("50% of everything")
	e.SetExtension("partition", 7)
	check(t, e.SetData(ce.ApplicationJSON, map[string]string{"connection_id": connection, "policy_type": "home"}))
	check(t, e.Validate())
	return e
}

// eventRequest is the request id of an event: of its source and id, each with its length before it.
func eventRequest(source, id string) string {
	hash := sha256.New()
	for _, part := range []string{source, id} {
		_ = binary.Write(hash, binary.BigEndian, uint32(len(part)))
		hash.Write([]byte(part))
	}
	return hex.EncodeToString(hash.Sum(nil))
}

// eventRun is the run of an event: of its request, dated by its time.
func (w *world) eventRun(e ce.Event) any {
	return dedupe.ByRequest(eventRequest(e.Source(), e.ID()), e.Time()).RunID(dedupe.Tenant(w.tenant), fetchType)
}

// What the SDK encodes we read, in every mode; and an event is one request whatever its mode.
func TestCloudEventsOfTheSDK(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	client := dial(t, w.url)
	wanted := map[string]any{}
	var rounds [5][]*encoded // each has an event at most once: the second of two copies in hand would have to come back later
	for i, odd := range []string{"plain", "with spaces", "Zürich/東京", `"quoted"`, "100%", "%41", "a+b&c=d;e,f", "🦆"} {
		connection := fmt.Sprintf("event %d", i)
		e := newEvent(t, "/shop?q="+strings.ReplaceAll(odd, "%", ""), odd, connection)
		modes := []*encoded{encode(t, e, cebinding.EncodingBinary, true), encode(t, e, cebinding.EncodingStructured, false)}
		if !strings.Contains(odd, "%") { // written as it is, it could not be told from an encoded one
			modes = append(modes, encode(t, e, cebinding.EncodingBinary, false))
		}
		for n, m := range append(modes, upper(modes[0]), upper(modes[1])) {
			at := (n + i) % len(rounds) // another mode is the first for each
			rounds[at] = append(rounds[at], m)
		}
		wanted[connection] = w.eventRun(e)
	}
	for _, round := range rounds {
		for _, m := range round {
			client.accept(w.fetch(), block(m.header...), m.body)
		}
		w.settled()
	}
	for connection, run := range wanted {
		if got := w.effect(connection); got.RunID != run {
			t.Errorf("%s is run %v, want %v", connection, got.RunID, run)
		}
	}
	if n := w.count("select count(*) from effects"); n != len(wanted) {
		t.Errorf("%d runs, want %d", n, len(wanted))
	}
	if n := w.count("select count(*) from oprun.dead_letters"); n != 0 {
		t.Errorf("%d dead letters", n)
	}
}

// upper is the same message with the names of its headers in upper case.
func upper(m *encoded) *encoded {
	out := &encoded{body: m.body}
	for _, line := range m.header {
		name, value, _ := strings.Cut(line, ":")
		out.header = append(out.header, strings.ToUpper(name)+":"+value)
	}
	return out
}

// An event that is no job, or several, or in a form that is not read, is a dead letter.
func TestCloudEventsThatCannotRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	client := dial(t, w.url)
	e := newEvent(t, "/shop", "1", "never")
	plain := encode(t, e, cebinding.EncodingBinary, true)
	without := func(name string) string {
		var kept []string
		for _, line := range plain.header {
			if !strings.HasPrefix(line, name+":") {
				kept = append(kept, line)
			}
		}
		return block(kept...)
	}
	other := e.Clone()
	other.SetType("assignments.forget")
	text := e.Clone()
	check(t, text.SetData(ce.TextPlain, "connection_id=never"))
	bytes := e.Clone()
	check(t, bytes.SetData("application/octet-stream", []byte(plain.body)))
	batch := must(json.Marshal([]ce.Event{e, e}))(t)
	envelope := encode(t, e, cebinding.EncodingStructured, false)
	wanted := map[uint64]dedupe.Reason{}
	send := func(reason dedupe.Reason, header, body string) {
		t.Helper()
		wanted[client.accept(w.fetch(), header, body).Seq] = reason
	}
	send(dedupe.Malformed, block("Content-Type: "+ceformat.JSONBatch.MediaType()), string(batch))
	send(dedupe.Malformed, block("Content-Type: application/cloudevents+avro"), envelope.body)
	send(dedupe.Malformed, block("content-type: APPLICATION/CLOUDEVENTS+PROTOBUF; charset=utf-8"), envelope.body)
	for _, attribute := range []string{"ce-id", "ce-source", "ce-type", "ce-specversion"} {
		send(dedupe.HeaderInvalid, without(attribute), plain.body)
	}
	send(dedupe.HeaderInvalid, strings.Replace(block(plain.header...), "ce-id: 1", "ce-id: 100%", 1), plain.body)
	send(dedupe.HeaderInvalid, block(append(plain.header, "CE-ID: 1")...), plain.body)
	send(dedupe.VersionUnknown, strings.Replace(block(plain.header...), "ce-specversion: 1.0", "ce-specversion: 0.3", 1), plain.body)
	for _, event := range []struct {
		event  ce.Event
		reason dedupe.Reason
	}{{other, dedupe.TypeMismatch}, {text, dedupe.Malformed}} {
		for _, mode := range []cebinding.Encoding{cebinding.EncodingBinary, cebinding.EncodingStructured} {
			m := encode(t, event.event, mode, true)
			send(event.reason, block(m.header...), m.body)
		}
	}
	inBase64 := encode(t, bytes, cebinding.EncodingStructured, true)
	send(dedupe.Malformed, block(inBase64.header...), inBase64.body)
	w.settled()
	for _, letter := range must(w.ledger.DeadLetters(t.Context(), oprun.DeadLetterFilter{Limit: 100}))(t) {
		want, found := wanted[uint64(letter.Seq)]
		if !found || letter.Reason != want.String() {
			t.Errorf("message %d: the reason is %s (%s), want %s", letter.Seq, letter.Reason, letter.Detail, want)
		}
		delete(wanted, uint64(letter.Seq))
	}
	if n := w.count("select count(*) from effects"); n != 0 || len(wanted) > 0 {
		t.Errorf("%d of them ran, and no dead letters for %v", n, wanted)
	}
}
