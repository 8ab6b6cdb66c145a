package events

import (
	"errors"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/nats-io/nats.go"

	"oprun.example/pkg/dedupe"
)

const (
	parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	state  = "vendor=1,other=2"
)

// occurrences are comparable, and cmp cannot look into them.
var sameOccurrence = cmp.Comparer(func(a, b dedupe.Occurrence) bool { return a == b })

// message is a stored message that is a job.
func message(header nats.Header) Message {
	return Message{fetchSubject, header, []byte(`{"page": 1}`), "JOBS", 42, stored}
}

// plain is the job that message(nil) is.
func plain() Job {
	return Job{
		Scope: tenant, Type: fetchType, Input: []byte(`{"page": 1}`),
		Occurrence: dedupe.ByPlace("JOBS", 42, stored), AcceptedAt: stored, Initiator: "system",
	}
}

func wantJob(t *testing.T, codec Codec, m Message, want Job) {
	t.Helper()
	got, err := codec.Decode(m)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, sameOccurrence); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// wantRefusal also checks what holds for every refusal.
func wantRefusal(t *testing.T, codec Codec, m Message, want dedupe.Reason) {
	t.Helper()
	_, err := codec.Decode(m)
	refusal, ok := errors.AsType[*Refusal](err)
	if !ok {
		t.Fatalf("got %v", err)
	}
	if refusal.Reason != want {
		t.Errorf("got %v, want %v", refusal, want)
	}
	checkDetail(t, refusal)
}

func checkDetail(t *testing.T, refusal *Refusal) {
	t.Helper()
	if d := refusal.Detail; d == "" || len(d) > maxDetailBytes || strings.ContainsFunc(d, unicode.IsControl) {
		t.Errorf("detail of %d bytes: %q", len(d), d)
	}
}

func TestDecode(t *testing.T) {
	t.Parallel()
	t.Run("a_message_without_headers_is_a_job_of_its_place", func(t *testing.T) {
		t.Parallel()
		wantJob(t, Codec{}, message(nil), plain())
	})
	t.Run("every_header_is_read", func(t *testing.T) {
		t.Parallel()
		want := plain()
		want.RunID, want.RequestID, want.Initiator = runUUID, "order-7", "Jürgen (ops)"
		want.TraceParent, want.TraceState = parent, state
		want.Occurrence = dedupe.ByRequest("order-7", time.Time{})
		wantJob(t, Codec{}, message(nats.Header{
			"Nats-Msg-Id": {"whatever"}, "Oprun-Run-Id": {runUUID.String()}, "Oprun-Request-Id": {"order-7"},
			"Oprun-Initiator": {"Jürgen (ops)"}, "Oprun-Version": {"1"}, "traceparent": {parent}, "tracestate": {state},
			"X-Foreign": {"\x01"},
		}), want)
	})
	t.Run("where_a_new_request_was_recorded_decides_nothing", func(t *testing.T) {
		t.Parallel()
		want := plain()
		want.ReplayedFrom = Place{"OLD", 7, stored}
		wantJob(t, Codec{}, message(nats.Header{HeaderReplayedFrom: {want.ReplayedFrom.String()}}), want)
	})
	t.Run("headers_are_read_whatever_their_case", func(t *testing.T) {
		t.Parallel()
		want := plain()
		want.RunID, want.TraceParent, want.TraceState = runUUID, parent, state
		wantJob(t, Codec{}, message(nats.Header{
			"oprun-run-id": {runUUID.String()}, "Traceparent": {parent}, "TRACESTATE": {state},
		}), want)
	})
	t.Run("a_run_id_does_not_change_the_occurrence", func(t *testing.T) {
		t.Parallel()
		want := plain()
		want.RunID = runUUID
		wantJob(t, Codec{}, message(nats.Header{HeaderRunID: {runUUID.String()}}), want)
	})
	t.Run("an_empty_initiator_is_the_system", func(t *testing.T) {
		t.Parallel()
		wantJob(t, Codec{}, message(nats.Header{HeaderInitiator: {""}}), plain())
	})
	t.Run("a_message_that_no_stream_has_stored_has_no_occurrence", func(t *testing.T) {
		t.Parallel()
		job, err := Codec{}.Decode(Message{Subject: fetchSubject, Data: []byte(`{}`)})
		if err != nil || job.Occurrence != (dedupe.Occurrence{}) {
			t.Errorf("got %+v, %v", job, err)
		}
	})
	t.Run("an_invalid_trace_context_is_dropped", func(t *testing.T) {
		t.Parallel()
		for _, bad := range []string{
			"", "x", parent + "x", strings.ToUpper(parent), "ff" + parent[2:], strings.Replace(parent, "-", "_", 1),
			"00-00000000000000000000000000000000-00f067aa0ba902b7-01", "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
		} {
			wantJob(t, Codec{}, message(nats.Header{"traceparent": {bad}, "tracestate": {state}}), plain())
		}
	})
	t.Run("a_later_trace_version_may_be_longer", func(t *testing.T) {
		t.Parallel()
		want := plain()
		want.TraceParent = "01" + parent[2:] + "-more"
		wantJob(t, Codec{}, message(nats.Header{"traceparent": {want.TraceParent}, "tracestate": {"a=\x01"}}), want)
	})
}

// The derived run id of a replayed message is that of the original, whatever decided the original's.
func TestDecode_replayed_message_is_the_same_occurrence(t *testing.T) {
	t.Parallel()
	v7 := "019236f0-8b86-7d01-b42d-00cf4fc964e1"
	for name, header := range map[string]nats.Header{
		"by_place":               {},
		"by_request_id":          {HeaderRequestID: {"order-7"}},
		"by_UUIDv7_request_id":   {HeaderRequestID: {v7}},
		"by_run_id":              {HeaderRunID: {runUUID.String()}},
		"by_CloudEvent":          binaryEvent(nil),
		"by_CloudEvent_and_time": binaryEvent(nats.Header{"ce-time": {"2025-11-23T00:00:00Z"}}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			original, err := Codec{}.Decode(message(header))
			if err != nil {
				t.Fatal(err)
			}
			replayed := message(header).Again("replay/1")
			replayed.Stream, replayed.Seq, replayed.StoredAt = "COPY", 1, stored.Add(time.Hour)
			wantJob(t, Codec{}, replayed, original)
			twice := replayed.Again("replay/2")
			twice.Stream, twice.Seq, twice.StoredAt = "COPY", 2, stored.Add(2*time.Hour)
			wantJob(t, Codec{}, twice, original)
		})
	}
}

func TestDecode_refuses(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 129)
	for name, test := range map[string]struct {
		header nats.Header
		want   dedupe.Reason
	}{
		"another_version":                  {nats.Header{HeaderVersion: {"2"}}, dedupe.VersionUnknown},
		"an_empty_version":                 {nats.Header{HeaderVersion: {""}}, dedupe.VersionUnknown},
		"a_version_in_other_letters":       {nats.Header{"oprun-version": {"2"}}, dedupe.VersionUnknown},
		"a_run_id_that_is_no_UUID":         {nats.Header{HeaderRunID: {"7"}}, dedupe.HeaderInvalid},
		"a_run_id_in_braces":               {nats.Header{HeaderRunID: {"{" + runUUID.String() + "}"}}, dedupe.HeaderInvalid},
		"a_run_id_of_zeros":                {nats.Header{HeaderRunID: {uuid.Nil.String()}}, dedupe.HeaderInvalid},
		"an_empty_request_id":              {nats.Header{HeaderRequestID: {""}}, dedupe.HeaderInvalid},
		"a_long_request_id":                {nats.Header{HeaderRequestID: {long}}, dedupe.HeaderInvalid},
		"a_request_id_with_a_space":        {nats.Header{HeaderRequestID: {"a b"}}, dedupe.HeaderInvalid},
		"a_request_id_beyond_ASCII":        {nats.Header{HeaderRequestID: {"ä"}}, dedupe.HeaderInvalid},
		"a_long_initiator":                 {nats.Header{HeaderInitiator: {long}}, dedupe.HeaderInvalid},
		"an_initiator_with_an_escape":      {nats.Header{HeaderInitiator: {"a\x1b[31m"}}, dedupe.HeaderInvalid},
		"an_initiator_of_two_lines":        {nats.Header{HeaderInitiator: {"a\u2028b"}}, dedupe.HeaderInvalid},
		"an_initiator_that_is_not_UTF8":    {nats.Header{HeaderInitiator: {"\xff"}}, dedupe.HeaderInvalid},
		"an_origin_without_time":           {nats.Header{HeaderReplayedFrom: {"JOBS/42"}}, dedupe.HeaderInvalid},
		"an_occurrence_without_time":       {nats.Header{HeaderOccurrence: {"JOBS/42"}}, dedupe.HeaderInvalid},
		"a_repeated_header":                {nats.Header{HeaderRequestID: {"a", "a"}}, dedupe.HeaderInvalid},
		"a_block_that_is_no_header":        {unreadableHeader(), dedupe.HeaderInvalid},
		"a_repeated_foreign_header":        {nats.Header{"X\x1b[31m" + long + long: {"a", "b"}}, dedupe.HeaderInvalid},
		"a_header_repeated_in_other_case":  {nats.Header{"Traceparent": {parent}, "traceparent": {parent}}, dedupe.HeaderInvalid},
		"a_message_id_twice":               {nats.Header{"Nats-Msg-Id": {"a"}, "nats-msg-id": {"a"}}, dedupe.HeaderInvalid},
		"headers_of_more_than_16_KiB":      {nats.Header{"X": {strings.Repeat("x", MaxHeaderBytes)}}, dedupe.HeaderInvalid},
		"many_headers_of_more_than_16_KiB": {nats.Header{"X": make([]string, MaxHeaderBytes/5)}, dedupe.HeaderInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantRefusal(t, Codec{}, message(test.header), test.want)
		})
	}
	t.Run("a_subject_that_is_no_job", func(t *testing.T) {
		t.Parallel()
		wantRefusal(t, Codec{}, Message{Subject: "jobs.tenant.x.a.b", Data: []byte(`{}`)}, dedupe.Malformed)
	})
	t.Run("with_the_scope_and_type_of_the_subject", func(t *testing.T) {
		t.Parallel()
		job, err := Codec{}.Decode(message(nats.Header{HeaderVersion: {"2"}}))
		if diff := cmp.Diff(Job{Scope: tenant, Type: fetchType}, job, sameOccurrence); err == nil || diff != "" {
			t.Errorf("%v\n%s", err, diff)
		}
	})
	t.Run("the_same_of_two_faults_every_time", func(t *testing.T) {
		t.Parallel()
		m := message(nats.Header{"B": {"1", "2"}, "A": {"1", "2"}, "C": {"1", "2"}})
		for range 50 {
			if _, err := (Codec{}).Decode(m); err.Error() != "header_invalid: header a is there more than once" {
				t.Fatal(err)
			}
		}
	})
}

func TestDecode_takes_headers_up_to_the_limits(t *testing.T) {
	t.Parallel()
	const frame = len("NATS/1.0\r\n\r\n") + len("X: \r\n")
	for _, header := range []nats.Header{
		{"X": {strings.Repeat("x", MaxHeaderBytes-frame)}},
		{HeaderRequestID: {strings.Repeat("~", 128)}},
		{HeaderInitiator: {strings.Repeat("ü", 128)}},
	} {
		if _, err := (Codec{}).Decode(message(header)); err != nil {
			t.Error(err)
		}
	}
}

func TestPlace(t *testing.T) {
	t.Parallel()
	t.Run("is_read_as_it_is_written", func(t *testing.T) {
		t.Parallel()
		want := message(nil).Place()
		got, err := ParsePlace("JOBS/42/1763856000123456789")
		if diff := cmp.Diff(want, got); err != nil || diff != "" || want.String() != got.String() {
			t.Errorf("%v\n%s", err, diff)
		}
	})
	t.Run("has_one_spelling", func(t *testing.T) {
		t.Parallel()
		for _, text := range []string{
			"", "/", "//", "JOBS//1", "/1/1", "JOBS/0/1", "JOBS/1/0", "JOBS/1/-1", "JOBS/+1/1", "JOBS/01/1", "JOBS/1/01",
			"JOBS/1/1/", "JOBS/1/1 ", "J.B/1/1", "J*/1/1", "J B/1/1", "JOBS/18446744073709551616/1", "JOBS/1/9223372036854775808",
		} {
			if place, err := ParsePlace(text); err == nil {
				t.Errorf("%q is read as %v", text, place)
			}
		}
	})
}
