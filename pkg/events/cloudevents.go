package events

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"oprun.example/pkg/dedupe"
)

// event is what a job needs of a CloudEvent 1.0 (https://github.com/cloudevents/spec).
type event struct {
	specVersion, jobType, id, source, time string

	data   []byte
	reason dedupe.Reason // of a missing or ill-formed attribute: its header's fault, or the body's
	when   time.Time
}

// structuredPrefix begins the media type of an event whose attributes are in the body.
const structuredPrefix = "application/cloudevents"

// readEvent returns the CloudEvent in a message, or nil when it is none: structured when the media type says so,
// else binary when there are ce-* headers.
func readEvent(h *headers, body []byte) (*event, error) {
	media, _, _ := strings.Cut(h.value[contentType], ";")
	format, structured := strings.CutPrefix(strings.ToLower(strings.TrimSpace(media)), structuredPrefix)
	switch {
	case structured && format != "+json" && format != "":
		return nil, refuse(dedupe.Malformed, "CloudEvent: batches and formats other than JSON are not read")
	case structured:
		return readStructured(body)
	case h.cloudEvent:
		return readBinary(h, body)
	default:
		return nil, nil
	}
}

func readBinary(h *headers, body []byte) (*event, error) {
	e := &event{data: body, reason: dedupe.HeaderInvalid}
	for f, attribute := range map[field]*string{
		ceSpecVersion: &e.specVersion, ceType: &e.jobType, ceID: &e.id, ceSource: &e.source, ceTime: &e.time,
	} {
		value, err := url.PathUnescape(h.value[f])
		if err != nil || !utf8.ValidString(value) {
			return nil, refuse(dedupe.HeaderInvalid, "CloudEvent: a ce- header is not percent-encoded UTF-8")
		}
		*attribute = value
	}
	return e, e.check()
}

// readStructured reads the JSON event format. Attributes that are not strings are no attributes that we need, and
// null is the same as none.
func readStructured(body []byte) (*event, error) {
	if len(body) > MaxInputBytes+MaxHeaderBytes { // what binary mode would allow
		return nil, refuse(dedupe.Oversize, "CloudEvent: the body has more than 278528 bytes")
	}
	if err := validObject("CloudEvent", body, MaxInputDepth+1); err != nil {
		return nil, err
	}
	e := &event{reason: dedupe.Malformed}
	attributes := map[string]*string{
		"specversion": &e.specVersion, "type": &e.jobType, "id": &e.id, "source": &e.source, "time": &e.time,
	}
	dec := jsontext.NewDecoder(bytes.NewBuffer(body)) // it is valid: no call below can fail
	_, _ = dec.ReadToken()
	for dec.PeekKind() == '"' {
		name, _ := dec.ReadToken()
		key := name.String()
		value, _ := dec.ReadValue()
		switch attribute := attributes[key]; {
		case key == "data":
			e.data = value.Clone()
		case attribute != nil && value.Kind() == '"':
			text, _ := jsontext.AppendUnquote(nil, value)
			*attribute = string(text)
		}
	}
	if e.data == nil {
		return nil, refuse(dedupe.Malformed, "CloudEvent: it has no data: send a JSON object, not data_base64")
	}
	return e, e.check()
}

// check refuses an event without the attributes that version 1.0 requires, and reads its time.
func (e *event) check() error {
	if e.specVersion != "" && e.specVersion != "1.0" {
		return refuse(dedupe.VersionUnknown, "CloudEvent: only specversion 1.0 is known")
	}
	if e.specVersion == "" || e.jobType == "" || e.id == "" || e.source == "" {
		return refuse(e.reason, "CloudEvent: specversion, type, id and source are all required")
	}
	if e.time == "" {
		return nil
	}
	when, err := time.Parse(time.RFC3339Nano, e.time)
	if err != nil {
		return refuse(e.reason, "CloudEvent: its time is not RFC 3339")
	}
	// Some producers leave the year at 1 or 9999, which has no nanoseconds since 1970 in 64 bits: no date, then.
	if year := when.UTC().Year(); year >= 1970 && year < 2262 {
		e.when = when
	}
	return nil
}

// at returns the event's time; zero when there is none, or no event.
func (e *event) at() time.Time {
	if e == nil {
		return time.Time{}
	}
	return e.when
}

// requestID identifies the event's request: source and id together are unique by the CloudEvents specification.
func (e *event) requestID() string {
	var parts []byte
	for _, part := range []string{e.source, e.id} {
		parts = binary.BigEndian.AppendUint32(parts, uint32(len(part)))
		parts = append(parts, part...)
	}
	sum := sha256.Sum256(parts)
	return hex.EncodeToString(sum[:])
}

// apply makes the event's data the job's input. A request id header stands over the event's own id, so that an event
// can be sent again as a new request.
func (c Codec) apply(e *event, job *Job) error {
	if e.jobType != job.Type {
		alias, ok := "", false
		if c.Alias != nil {
			alias, ok = c.Alias(e.jobType)
		}
		if !ok || alias != job.Type {
			return refuse(dedupe.TypeMismatch, "CloudEvent: its type is not the subject's, "+job.Type)
		}
	}
	job.Input = e.data
	if job.RequestID == "" {
		job.RequestID = e.requestID()
	}
	return nil
}
