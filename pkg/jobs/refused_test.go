package jobs

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"
	"github.com/nats-io/nats.go"

	"oprun.example/pkg/catalog"
	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
	"oprun.example/pkg/oprun"
)

// refusedMessage is a message that can never run.
type refusedMessage struct {
	reason  string
	subject string // empty: the tenant's test type
	header  nats.Header
	body    string
}

func (s *stack) refusedMessages() map[string]refusedMessage {
	const good = `{"key":"a"}`
	of := events.Subjects{}
	return map[string]refusedMessage{
		"an unknown tenant":                {reason: "scope_unknown", subject: of.Subject(dedupe.Tenant(uuid.New()), testType), body: good},
		"an unknown workspace":             {reason: "scope_unknown", subject: of.Subject(dedupe.Workspace(uuid.New()), workspaceType), body: good},
		"a workspace's id for a tenant's":  {reason: "scope_unknown", subject: of.Subject(dedupe.Tenant(s.workspace), testType), body: good},
		"a tenant's type for a workspace":  {reason: "type_unknown", subject: of.Subject(dedupe.Workspace(s.workspace), testType), body: good},
		"an unknown type":                  {reason: "type_unknown", subject: of.Subject(dedupe.Tenant(s.tenant), "test.unheard_of"), body: good},
		"a subject that names no scope":    {reason: "malformed", subject: "jobs.nonsense", body: good},
		"a missing identity input":         {reason: "identity_input_missing", body: `{"other":"a"}`},
		"a number beyond 2^53 as identity": {reason: "identity_input_inexact", body: `{"key":9007199254740993}`},
		"a body of 300 KiB":                {reason: "oversize", body: `{"key":"` + strings.Repeat("x", 300<<10) + `"}`},
		"a body that nests 1,000 deep":     {reason: "malformed", body: `{"key":` + strings.Repeat("[", 999) + strings.Repeat("]", 999) + `}`},
		"a name that is there twice":       {reason: "malformed", body: `{"key":"a","key":"b"}`},
		"no body":                          {reason: "malformed"},
		"a body that is no text":           {reason: "malformed", body: "\x00\xff\xfe{}"},
		"an input against the schema":      {reason: "schema", body: `{"key":["a"]}`},
		"a ce-type unlike the subject": {reason: "type_mismatch", body: good, header: nats.Header{
			"ce-specversion": {"1.0"}, "ce-type": {"test.other"}, "ce-id": {"1"}, "ce-source": {"/test"},
		}},
		"a header that is there twice":  {reason: "header_invalid", body: good, header: nats.Header{"Oprun-Request-Id": {"a", "b"}}},
		"a run id that is none":         {reason: "header_invalid", body: good, header: nats.Header{"Oprun-Run-Id": {"7"}}},
		"nothing, like a broker's word": {reason: "malformed", header: nats.Header{"Status": {"503"}}},
		"a version from the future":     {reason: "version_unknown", body: good, header: nats.Header{"Oprun-Version": {"2"}, "Status": {"404"}}},
	}
}

const workspaceType = "test.workspace"

// Nothing that reached the stream and is refused is lost: it is in the dead letters, whole, with its reason, and no
// longer with the consumer.
func TestRefusedMessages(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.catalog = refusingCatalog(t)
	mux := writing()
	Handle(mux, workspaceType, writeEffect)
	w := s.start(mux, Config{})

	sent, names := s.refusedMessages(), map[int64]string{}
	for name, m := range sent {
		if m.subject == "" {
			m.subject = events.Subjects{}.Subject(dedupe.Tenant(s.tenant), testType)
			sent[name] = m
		}
		ack := must(s.js.PublishMsg(t.Context(), &nats.Msg{Subject: m.subject, Header: m.header, Data: []byte(m.body)}))(t)
		names[int64(ack.Sequence)] = name
	}
	s.acknowledged()
	s.eventually("the letters", func() bool { return s.count("select count(*) from oprun.dead_letters") == len(sent) })
	if n := s.count("select count(*) from oprun.operation_runs"); n != 0 {
		t.Errorf("%d refused messages became runs", n)
	}
	for _, listed := range must(s.ledger.DeadLetters(t.Context(), oprun.DeadLetterFilter{Limit: 100}))(t) {
		letter := must(s.ledger.DeadLetter(t.Context(), listed.ID))(t)
		name := names[letter.Seq]
		delete(names, letter.Seq)
		t.Run(name, func(t *testing.T) { wantWhole(t, letter, sent[name]) })
	}
	if len(names) > 0 {
		t.Errorf("no dead letters for %q", slices.Collect(maps.Values(names)))
	}
	s.wantCountersEqualRows(w)
	if n := w.deliveries(t, "rejected"); n != len(sent) {
		t.Errorf("%d deliveries were counted as rejected, want %d", n, len(sent))
	}
}

func wantWhole(t *testing.T, letter oprun.DeadLetter, want refusedMessage) {
	t.Helper()
	if letter.Reason != want.reason || letter.Detail == "" {
		t.Errorf("the reason is %q (%q), want %q and a detail", letter.Reason, letter.Detail, want.reason)
	}
	if letter.Stream != "JOBS" || letter.Subject != want.subject || letter.StoreTime.IsZero() {
		t.Errorf("it came from %s %q at %s, want JOBS %q", letter.Stream, letter.Subject, letter.StoreTime, want.subject)
	}
	if string(letter.Body) != want.body {
		t.Errorf("%d bytes of body were kept, want the %d that were sent", len(letter.Body), len(want.body))
	}
	if diff := cmp.Diff(map[string][]string(want.header), letter.Headers, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
	if len(letter.Detail) > 8 && strings.Contains(want.body, letter.Detail) {
		t.Errorf("the detail quotes the body: %q", letter.Detail)
	}
}

func refusingCatalog(t *testing.T) *catalog.Catalog {
	t.Helper()
	job, workspaceJob := testJob("key"), testJob("key")
	job.Schema, workspaceJob.ScopeKind = "key.json", dedupe.WorkspaceScope
	schema := fstest.MapFS{"key.json": {Data: []byte(`{"properties":{"key":{"type":["string","integer"]}}}`)}}
	return must(catalog.New(catalog.Catalog{Jobs: map[string]catalog.Job{testType: job, workspaceType: workspaceJob}}, schema))(t)
}

// A message that names a run of another scope is never obeyed: it is told to come back, with growing delay, and
// after an hour it is a dead letter (I11).
func TestRunOfAnotherScope(t *testing.T) {
	t.Parallel()

	t.Run("is unknown and is not executed", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		run := s.laterRun()
		w := s.start(writing(), Config{})
		neighbour, _, err := s.ledger.AddTenant(t.Context(), s.workspace, "neighbour")
		check(t, err)
		s.publish(`{"key":"a"}`, func(r *events.Request) {
			r.Identity.Scope, r.RunID = dedupe.Tenant(neighbour.ExternalID), run
		})
		s.eventually("the second delivery", func() bool { return w.deliveries(t, "unknown_run") >= 2 })
		if n := s.consumer().NumAckPending; n != 1 {
			t.Errorf("%d messages wait for their next delivery, want 1", n)
		}
		if got := s.run(run); got.Status != "queued" || got.Attempt != 0 {
			t.Errorf("the run is %s with %d attempts, want it untouched", got.Status, got.Attempt)
		}
		if n := s.count("select count(*) from oprun.dead_letters"); n != 0 {
			t.Errorf("%d dead letters, want none before an hour has passed", n)
		}
		s.wantOneEffectEach()
	})

	t.Run("is a dead letter when it has been unknown for an hour", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		run := s.laterRun()
		neighbour, _, err := s.ledger.AddTenant(t.Context(), s.workspace, "neighbour")
		check(t, err)
		w := must(NewWorker(s.js, s.ledger, s.catalog, writing(), Config{}))(t)
		check(t, w.bind(t.Context()))
		w.lifetime, w.stopping = t.Context(), t.Context()

		sub := must(s.conn.SubscribeSync("acks.>"))(t)
		stored := time.Now().Add(-unknownRunFor - time.Minute)
		d := &delivery{msg: &nats.Msg{
			Subject: events.Subjects{}.Subject(dedupe.Tenant(neighbour.ExternalID), testType), Sub: sub, Data: []byte(`{}`),
			Header: nats.Header{events.HeaderRunID: {run.String()}},
			Reply:  fmt.Sprintf("$JS.ACK.JOBS.oprun.9.7.7.%d.0", stored.UnixNano()),
		}}
		w.slots.take(t.Context(), 1)
		w.slots.use()
		(&claimLane{Worker: w}).judge([]*delivery{d})
		letters := must(s.ledger.DeadLetters(t.Context(), oprun.DeadLetterFilter{}))(t)
		if len(letters) != 1 || letters[0].Reason != "unknown_run" || letters[0].Seq != 7 || *letters[0].RunID != run {
			t.Errorf("dead letters %+v, want one of an unknown run", letters)
		}
		if free := w.slots.available(); free != w.config.Concurrency {
			t.Errorf("%d slots are free, want all %d", free, w.config.Concurrency)
		}
	})
}

// laterRun is a run of the tenant's that is born in the ledger and not due for an hour.
func (s *stack) laterRun() uuid.UUID {
	s.t.Helper()
	run, _, err := s.ledger.EnsureRunWithIdentity(s.t.Context(), oprun.Request{
		Identity: dedupe.Identity{Scope: dedupe.Tenant(s.tenant), Type: testType, Hash: [32]byte{1}}, RunAt: time.Now().Add(time.Hour),
	})
	check(s.t, err)
	return run.ID
}

func TestRawMessage(t *testing.T) {
	t.Parallel()
	for name, header := range map[string]nats.Header{
		"without headers runs":                       nil,
		"with a header that pulls give a meaning to": {"Status": {"404"}, "Description": {"No Messages"}},
		"with a CloudEvent runs":                     {"ce-specversion": {"1.0"}, "ce-type": {testType}, "ce-id": {"1"}, "ce-source": {"/test"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStack(t)
			s.start(writing(), Config{})
			subject := events.Subjects{}.Subject(dedupe.Tenant(s.tenant), testType)
			must(s.js.PublishMsg(t.Context(), &nats.Msg{Subject: subject, Header: header, Data: []byte(`{"key":"a"}`)}))(t)
			s.settled(1)
			s.acknowledged()
			run := s.run(s.onlyRun())
			if run.Outcome != oprun.Succeeded || run.InitiatorName != "system" || *run.OriginSeq != 1 {
				t.Errorf("run %+v, want it succeeded, by system, from message 1", run)
			}
			s.wantOneEffectEach(run.ID)
		})
	}
}
