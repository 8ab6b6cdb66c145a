package events

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"oprun.example/pkg/dedupe"
)

// binaryEvent returns the headers of a valid event, with changes.
func binaryEvent(changes nats.Header) nats.Header {
	header := nats.Header{
		"ce-specversion": {"1.0"}, "ce-type": {fetchType}, "ce-id": {"42"}, "ce-source": {"/shop"},
		"Content-Type": {"application/json"},
	}
	maps.Copy(header, changes)
	maps.DeleteFunc(header, func(_ string, values []string) bool { return values == nil })
	return header
}

// eventRequestID is the request id of source /shop and id 42, written out.
func eventRequestID() string {
	sum := sha256.Sum256([]byte("\x00\x00\x00\x05/shop\x00\x00\x00\x0242"))
	return hex.EncodeToString(sum[:])
}

func eventJob(at time.Time) Job {
	job := plain()
	job.RequestID = eventRequestID()
	job.Occurrence = dedupe.ByRequest(job.RequestID, at)
	return job
}

func alias(ceType string) (string, bool) { return fetchType, ceType == "com.example.assignments.fetch" }

func TestDecode_binary_CloudEvent(t *testing.T) {
	t.Parallel()
	noon := time.Date(2025, 11, 23, 12, 0, 0, 0, time.UTC)
	for name, test := range map[string]struct {
		changes nats.Header
		at      time.Time
	}{
		"is_a_job":                         {nil, time.Time{}},
		"of_an_alias":                      {nats.Header{"ce-type": {"com.example.assignments.fetch"}}, time.Time{}},
		"with_percent_encoded_values":      {nats.Header{"ce-source": {"%2Fshop"}, "ce-id": {"%34%32"}}, time.Time{}},
		"with_a_time":                      {nats.Header{"ce-time": {"2025-11-23T13:00:00+01:00"}}, noon},
		"with_a_time_that_was_never_set":   {nats.Header{"ce-time": {"0001-01-01T00:00:00Z"}}, time.Time{}},
		"with_a_time_beyond_all_measure":   {nats.Header{"ce-time": {"9999-12-31T23:59:59Z"}}, time.Time{}},
		"with_other_attributes":            {nats.Header{"ce-subject": {"%zz"}, "ce-dataschema": {"x"}}, time.Time{}},
		"with_no_content_type":             {nats.Header{"Content-Type": nil}, time.Time{}},
		"with_headers_in_title_case":       {nats.Header{"ce-id": nil, "Ce-Id": {"42"}}, time.Time{}},
		"with_a_version_header_of_our_own": {nats.Header{HeaderVersion: {"1"}}, time.Time{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := Codec{Alias: alias}.Decode(message(binaryEvent(test.changes)))
			if err != nil {
				t.Fatal(err)
			}
			want := eventJob(test.at)
			if got.RequestID != want.RequestID || string(got.Input) != string(want.Input) {
				t.Errorf("got %+v", got)
			}
			if g, w := got.Occurrence.RunID(tenant, fetchType), want.Occurrence.RunID(tenant, fetchType); g != w {
				t.Errorf("run id %v, want %v", g, w)
			}
		})
	}
	t.Run("gives_way_to_a_request_id_header", func(t *testing.T) {
		t.Parallel()
		want := plain()
		want.RequestID, want.Occurrence = "again", dedupe.ByRequest("again", noon)
		wantJob(t, Codec{}, message(binaryEvent(nats.Header{
			HeaderRequestID: {"again"}, "ce-time": {"2025-11-23T12:00:00Z"},
		})), want)
	})
}

func TestDecode_refuses_binary_CloudEvent(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		changes nats.Header
		want    dedupe.Reason
	}{
		"of_another_type":             {nats.Header{"ce-type": {"assignments.delete"}}, dedupe.TypeMismatch},
		"of_an_alias_of_another_type": {nats.Header{"ce-type": {"com.example.other"}}, dedupe.TypeMismatch},
		"without_id":                  {nats.Header{"ce-id": nil}, dedupe.HeaderInvalid},
		"with_an_empty_source":        {nats.Header{"ce-source": {""}}, dedupe.HeaderInvalid},
		"without_type":                {nats.Header{"ce-type": nil}, dedupe.HeaderInvalid},
		"without_specversion":         {nats.Header{"ce-specversion": nil}, dedupe.HeaderInvalid},
		"of_an_older_specversion":     {nats.Header{"ce-specversion": {"0.3"}}, dedupe.VersionUnknown},
		"with_a_broken_escape":        {nats.Header{"ce-id": {"%4"}}, dedupe.HeaderInvalid},
		"with_escapes_beyond_UTF8":    {nats.Header{"ce-id": {"%FF"}}, dedupe.HeaderInvalid},
		"with_a_time_of_another_form": {nats.Header{"ce-time": {"yesterday"}}, dedupe.HeaderInvalid},
		"with_an_attribute_twice":     {nats.Header{"CE-ID": {"42"}}, dedupe.HeaderInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			codec := Codec{Alias: func(ceType string) (string, bool) { return "other.type", ceType == "com.example.other" }}
			wantRefusal(t, codec, message(binaryEvent(test.changes)), test.want)
		})
	}
	t.Run("whose_data_is_not_an_object", func(t *testing.T) {
		t.Parallel()
		m := message(binaryEvent(nil))
		m.Data = []byte("<xml/>")
		wantRefusal(t, Codec{}, m, dedupe.Malformed)
	})
}

const structuredEvent = `{"specversion":"1.0","type":"com.example.assignments.fetch","id":"42","source":"\u002fshop",` +
	`"time":null,"subject":7,"data": {"page": 1}}`

func structured(contentType, body string) Message {
	m := message(nats.Header{"content-type": {contentType}, "ce-type": {"ignored.here"}})
	m.Data = []byte(body)
	return m
}

func TestDecode_structured_CloudEvent(t *testing.T) {
	t.Parallel()
	for name, contentType := range map[string]string{
		"is_a_job":                          "application/cloudevents+json",
		"with_a_charset":                    "application/cloudevents+json; charset=UTF-8",
		"in_upper_case":                     "Application/CloudEvents+JSON",
		"without_a_format_is_taken_as_JSON": "application/cloudevents",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantJob(t, Codec{Alias: alias}, structured(contentType, structuredEvent), eventJob(time.Time{}))
		})
	}
	t.Run("may_have_data_as_large_and_deep_as_an_input", func(t *testing.T) {
		t.Parallel()
		for _, data := range [][]byte{filled(MaxInputBytes), nested(MaxInputDepth)} {
			body := strings.Replace(structuredEvent, `{"page": 1}`, string(data), 1)
			if _, err := (Codec{Alias: alias}).Decode(structured(structuredPrefix, body)); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestDecode_refuses_structured_CloudEvent(t *testing.T) {
	t.Parallel()
	const media = "application/cloudevents+json"
	with := func(old, replacement string) string { return strings.Replace(structuredEvent, old, replacement, 1) }
	for name, test := range map[string]struct {
		contentType, body string
		want              dedupe.Reason
	}{
		"in_a_batch":                      {"application/cloudevents-batch+json", "[" + structuredEvent + "]", dedupe.Malformed},
		"in_another_format":               {"application/cloudevents+avro", structuredEvent, dedupe.Malformed},
		"that_is_an_array":                {media, "[]", dedupe.Malformed},
		"that_is_empty":                   {media, "", dedupe.Malformed},
		"with_a_duplicate_attribute":      {media, with(`"id":"42"`, `"id":"42","id":"42"`), dedupe.Malformed},
		"without_data":                    {media, with(`"data"`, `"dat"`), dedupe.Malformed},
		"with_base64_data":                {media, with(`"data": {"page": 1}`, `"data_base64":"e30="`), dedupe.Malformed},
		"with_data_that_is_no_object":     {media, with(`{"page": 1}`, `"page"`), dedupe.Malformed},
		"with_a_number_for_an_id":         {media, with(`"42"`, `42`), dedupe.Malformed},
		"with_a_time_of_another_form":     {media, with(`null`, `"yesterday"`), dedupe.Malformed},
		"of_another_type":                 {media, with(`com.example`, `com.other`), dedupe.TypeMismatch},
		"of_an_older_specversion":         {media, with(`"1.0"`, `"0.3"`), dedupe.VersionUnknown},
		"with_data_of_one_byte_too_many":  {media, with(`{"page": 1}`, string(filled(MaxInputBytes+1))), dedupe.Oversize},
		"with_data_of_one_level_too_many": {media, with(`{"page": 1}`, string(nested(MaxInputDepth+1))), dedupe.Malformed},
		"with_an_envelope_too_large":      {media, with(`"42"`, `"`+strings.Repeat("4", 300<<10)+`"`), dedupe.Oversize},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantRefusal(t, Codec{Alias: alias}, structured(test.contentType, test.body), test.want)
		})
	}
}
