package jobs

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
	"oprun.example/pkg/oprun"
)

// audit compares the stack's stream and ledger, twins included and without any grace unless the config has one.
func (s *stack) audit(config AuditConfig) AuditReport {
	s.t.Helper()
	config.Twins, config.Grace = true, orDefault(config.Grace, time.Nanosecond)
	report := must(Audit(s.t.Context(), s.js, s.ledger, config))(s.t)
	if sum := report.Runs + report.Joined + report.DeadLetters + report.Waiting + report.Unaccounted; sum != report.Messages {
		s.t.Errorf("%d of %d messages have one account: %+v", sum, report.Messages, report)
	}
	return report
}

// want compares the counts of a report, and its offenders' places and problems.
func (r AuditReport) want(t *testing.T, want AuditReport, offenders ...string) {
	t.Helper()
	want.Stream, want.Consumer = "JOBS", "oprun"
	if diff := cmp.Diff(want, r, cmpopts.IgnoreFields(AuditReport{}, "Offenders")); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
	var found []string
	for _, o := range r.Offenders {
		found = append(found, fmt.Sprintf("%s %d %s", o.Problem, o.Seq, o.Detail))
	}
	if diff := cmp.Diff(offenders, found); diff != "" {
		t.Errorf("offenders (-want +got):\n%s", diff)
	}
}

// take fetches n messages as a foreign client of the consumer would, and acknowledges them if told to, without any
// work done.
func (s *stack) take(n int, ack bool) {
	s.t.Helper()
	consumer := must(s.js.Consumer(s.t.Context(), s.topology.Stream, s.topology.Consumer))(s.t)
	for taken := 0; taken < n; {
		batch := must(consumer.Fetch(n-taken, jetstream.FetchMaxWait(30*time.Second)))(s.t)
		for msg := range batch.Messages() {
			if taken++; ack {
				check(s.t, msg.DoubleAck(s.t.Context()))
			}
		}
		check(s.t, batch.Error())
	}
}

// ran runs these jobs to their end, one after the other, and stops the worker.
func (s *stack) ran(inputs ...string) (runs []uuid.UUID) {
	s.t.Helper()
	w := s.start(writing(), Config{})
	runs = s.publishAll(inputs)
	s.settled(len(runs))
	s.acknowledged()
	check(s.t, w.stop())
	return runs
}

const nothing = "neither run nor delivery nor dead letter"

func TestAuditFindsEveryAccount(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	job := testJob("key")
	job.CEType = "com.example.write"
	s.catalog = testCatalog(t, job)
	gate := make(chan struct{})
	w := s.start(handling(func(ctx context.Context, _ *Job[keyed]) error {
		select {
		case <-gate:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}), Config{})
	later := s.laterRun()
	subject := events.Subjects{}.Subject(dedupe.Tenant(s.tenant), testType)
	s.publish(`{"key":"a"}`)
	s.eventually("the job to run", func() bool { return s.count("select count(*) from oprun.operation_runs where status = 'running'") == 1 })
	s.publish(`{"key":"a"}`) // joins
	must(s.js.PublishMsg(t.Context(), &nats.Msg{Subject: subject, Data: []byte(`{"key":"b"}`), Header: nats.Header{
		"ce-specversion": {"1.0"}, "ce-type": {"com.example.write"}, "ce-id": {"1"}, "ce-source": {"/test"},
	}}))(t)
	s.publish(`{"key":"c"}`, func(r *events.Request) { r.RunID = later })
	must(s.js.Publish(t.Context(), subject, []byte(`{}`)))(t)
	must(s.js.Publish(t.Context(), "jobs.nonsense", []byte(`{}`)))(t)
	s.publish(`{"key":"d"}`, func(r *events.Request) { r.RunID = uuid.New() }) // nobody's run: it comes again and again
	s.eventually("all deliveries", func() bool {
		return w.deliveries(t, "execute") == 2 && w.deliveries(t, "duplicate") == 1 && w.deliveries(t, "rejected") == 2 &&
			w.deliveries(t, "unknown_run") >= 1 && w.deliveries(t, "not_due") == 1
	})
	report := s.audit(AuditConfig{})
	report.want(t, AuditReport{FirstSeq: 1, LastSeq: 7, Messages: 7, Runs: 3, Joined: 1, DeadLetters: 2, Waiting: 1})
	close(gate)
	s.eventually("both to end", func() bool {
		return s.count("select count(*) from oprun.operation_runs where outcome = 'succeeded'") == 2
	})
	report = s.audit(AuditConfig{})
	report.want(t, AuditReport{FirstSeq: 1, LastSeq: 7, Messages: 7, Runs: 3, Joined: 1, DeadLetters: 2, Waiting: 1})
	if !report.Clean() {
		t.Error("the report is not clean")
	}
}

func TestAuditFindsWhatIsLost(t *testing.T) {
	t.Parallel()

	t.Run("when a run is gone from the ledger", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		runs := s.ran(`{"key":"a"}`, `{"key":"b"}`, `{"key":"c"}`)
		s.audit(AuditConfig{}).want(t, AuditReport{FirstSeq: 1, LastSeq: 3, Messages: 3, Runs: 3})
		s.exec("delete from oprun.operation_runs where id = $1", runs[1])
		report := s.audit(AuditConfig{})
		report.want(t, AuditReport{FirstSeq: 1, LastSeq: 3, Messages: 3, Runs: 2, Unaccounted: 1}, "unaccounted 2 "+nothing)
		o, message := report.Offenders[0], must(events.ReadBack(t.Context(), s.js, "JOBS", 2))(t)
		if !o.StoreTime.Equal(message.StoredAt) || o.Subject != message.Subject || len(o.RunIDs) != 1 || o.RunIDs[0] != runs[1] {
			t.Errorf("offender %+v, want run %s of message %+v", o, runs[1], message)
		}
		s.audit(AuditConfig{Range: events.Range{FromSeq: 3}}).want(t, AuditReport{FirstSeq: 3, LastSeq: 3, Messages: 1, Runs: 1})
		s.audit(AuditConfig{Grace: time.Hour}).want(t, AuditReport{FirstSeq: 1, LastSeq: 3, Messages: 3, Runs: 2, Waiting: 1})
	})

	t.Run("when somebody acknowledges before the work is done", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		s.publishAll([]string{`{"key":"a"}`, `{"key":"b"}`, `{"key":"c"}`, `{"key":"d"}`})
		must(s.js.Publish(t.Context(), "jobs.nonsense", nil))(t)
		s.take(2, true)
		s.take(1, false)
		report := s.audit(AuditConfig{Limit: 1})
		report.want(t, AuditReport{FirstSeq: 1, LastSeq: 5, Messages: 5, Waiting: 3, Unaccounted: 2}, "unaccounted 1 "+nothing)
		if report.Clean() {
			t.Error("the report is clean")
		}
	})

	t.Run("and only that, after a purge", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		s.publishAll([]string{`{"key":"a"}`, `{"key":"b"}`})
		s.take(2, true)
		check(t, must(s.js.Stream(t.Context(), "JOBS"))(t).Purge(t.Context()))
		s.audit(AuditConfig{}).want(t, AuditReport{})
	})

	t.Run("in a stream that was made anew with the same numbers", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		subject := events.Subjects{}.Subject(dedupe.Tenant(s.tenant), testType)
		w := s.start(writing(), Config{})
		must(s.js.Publish(t.Context(), subject, []byte(`{"key":"a"}`)))(t)
		must(s.js.Publish(t.Context(), subject, []byte(`{}`)))(t)
		s.settled(1)
		s.acknowledged()
		check(t, w.stop())
		s.audit(AuditConfig{}).want(t, AuditReport{FirstSeq: 1, LastSeq: 2, Messages: 2, Runs: 1, DeadLetters: 1})
		check(t, s.js.DeleteStream(t.Context(), "JOBS"))
		must(s.topology.Apply(t.Context(), s.js, false))(t)
		must(s.js.Publish(t.Context(), subject, []byte(`{"key":"a"}`)))(t)
		must(s.js.Publish(t.Context(), subject, []byte(`{}`)))(t)
		s.take(2, true)
		s.audit(AuditConfig{}).want(t, AuditReport{FirstSeq: 1, LastSeq: 2, Messages: 2, Unaccounted: 2},
			"unaccounted 1 "+nothing, "unaccounted 2 "+nothing)
	})
}

func TestAuditFindsWhatIsDoubled(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	runs := s.ran(`{"key":"a"}`, `{"key":"b"}`, `{"key":"c"}`, `{"key":"d"}`)
	clean := AuditReport{FirstSeq: 1, LastSeq: 4, Messages: 4, Runs: 4}
	s.audit(AuditConfig{}).want(t, clean)
	at := func(i int) oprun.Run { return s.run(runs[i]) }
	for range 2 {
		s.exec("insert into oprun.operation_run_attempts (run_id, attempt, claim_token, result) values ($1, 1, gen_random_uuid(), 'succeeded')", runs[0])
	}
	check(t, s.ledger.Bury(t.Context(), []oprun.DeadLetter{
		{Stream: "JOBS", Seq: *at(1).OriginSeq, StoreTime: *at(1).OriginTime, Subject: "jobs.x", Reason: dedupe.Malformed.String()},
		{Stream: "JOBS", Seq: *at(2).OriginSeq, StoreTime: at(2).OriginTime.Add(time.Second), Subject: "jobs.x", Reason: dedupe.Malformed.String()},
	}))
	s.exec(`insert into oprun.operation_runs (id, workspace_id, type, run_identity_hash, status, outcome, max_attempts, completed_at,
		origin_stream, origin_seq, origin_time) select gen_random_uuid(), workspace_id, type, run_identity_hash, status, outcome, 1,
		completed_at, origin_stream, origin_seq, origin_time from oprun.operation_runs where id = $1`, runs[3])
	report := s.audit(AuditConfig{})
	clean.Doubled = 3
	letter := ""
	check(t, s.pool.QueryRow(t.Context(), "select id::text from oprun.dead_letters where seq = $1", *at(1).OriginSeq).Scan(&letter))
	want := map[int64]string{
		*at(0).OriginSeq: "2 attempts of one run succeeded",
		*at(1).OriginSeq: "it has run, and is dead letter " + letter,
		*at(3).OriginSeq: "2 runs were made of it",
	}
	found := map[int64]string{}
	for _, o := range report.Offenders {
		found[int64(o.Seq)] = o.Detail
		if o.Problem != ProblemDoubled || len(o.RunIDs) == 0 {
			t.Errorf("offender %+v, want a doubled one with its runs", o)
		}
	}
	if diff := cmp.Diff(want, found); diff != "" {
		t.Errorf("doubled messages (-want +got):\n%s", diff)
	}
	report.Offenders = nil
	report.want(t, clean)
}

// Each durable answers for its own types alone.
func TestAuditOfSomeTypes(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	some := s.topology.For(testType)
	must(some.Apply(t.Context(), s.js, false))(t)
	s.topology = some
	s.publish(`{"key":"a"}`)
	must(s.js.Publish(t.Context(), events.Subjects{}.Subject(dedupe.Tenant(s.tenant), "test.other"), []byte(`{}`)))(t)
	must(s.js.Publish(t.Context(), "jobs.nonsense", []byte(`{}`)))(t)
	s.take(1, true)
	report := s.audit(AuditConfig{Types: []string{testType}})
	if report.Consumer != some.Consumer || report.Messages != 1 || report.Unaccounted != 1 {
		t.Errorf("report %+v, want the one message of the type, unaccounted", report)
	}
	_, err := Audit(t.Context(), s.js, s.ledger, AuditConfig{Consumer: "nobody"})
	if err == nil || !strings.Contains(err.Error(), "consumer nobody of stream JOBS") {
		t.Errorf("error %v, want the consumer's name", err)
	}
}

// The audit's memory is a batch, however long the stream is: it holds neither bodies nor places of what is accounted
// for. (events.Read has the like for its own.)
func TestAuditOfALongStream(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	const n = 20_000
	subject := events.Subjects{}.Subject(dedupe.Tenant(s.tenant), testType)
	for i := range n {
		must(s.js.PublishAsync(subject, fmt.Appendf(nil, `{"key":"%d"}`, i), jetstream.WithStallWait(time.Minute)))(t)
	}
	select {
	case <-s.js.PublishAsyncComplete():
	case <-time.After(time.Minute):
		t.Fatal("the messages were not stored")
	}
	s.take(10, true)
	a := must(newAuditor(t.Context(), s.js, s.ledger, AuditConfig{Grace: time.Nanosecond, Limit: 3}))(t)
	check(t, a.walk(t.Context()))
	a.report.want(t, AuditReport{FirstSeq: 1, LastSeq: n, Messages: n, Waiting: n - 10, Unaccounted: 10},
		"unaccounted 1 "+nothing, "unaccounted 2 "+nothing, "unaccounted 3 "+nothing)
	if cap(a.batch) != maxBatch {
		t.Errorf("the batch has grown to %d, want %d", cap(a.batch), maxBatch)
	}
}
