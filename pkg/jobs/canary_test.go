package jobs

import (
	"context"
	"encoding/hex"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go"

	"oprun.example/pkg/catalog"
	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
)

// What is looked for: what jobs carry, as a text and as a number, and what handlers say of them in their errors.
const (
	canary       = "canary-b41c9e"
	canaryNumber = "97314159265358979323"
	handlersSaid = "said-5e02d7"
)

// secretive is the input of these tests.
type secretive struct {
	Key    string    `json:"key"`
	Secret string    `json:"secret"`
	Number int8      `json:"number"`
	At     time.Time `json:"at"`
	ID     uuid.UUID `json:"id"`
}

const strictType = "test.strict"

// What a job carries is the producer's, and may be secret: whatever becomes of the job, it stands in the columns that are for
// it, and in no other, and in no log line, metric or event. What a handler says in an error or a panic stands with its
// attempt alone.
func TestSecretsStayWhereTheyBelong(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	strict := testJob("key")
	strict.Schema = "strict.json"
	schema := fstest.MapFS{"strict.json": {Data: []byte(`{"properties": {"key": {"enum": ["a"], "pattern": "^a$", "maxLength": 1, "format": "uuid"}, "secret": {"const": 7}}}`)}}
	s.catalog = must(catalog.New(catalog.Catalog{Jobs: map[string]catalog.Job{testType: testJob("key"), strictType: strict}}, schema))(t)
	h, log := s.listen(), &lockedLog{}
	mux := &Mux{}
	Handle(mux, testType, s.secretively)
	Handle(mux, strictType, s.secretively)
	w := s.start(mux, Config{Logger: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	runs := s.sendSecrets()
	s.settled(runs)
	s.acknowledged()
	s.eventually("the events", func() bool { h.mu.Lock(); defer h.mu.Unlock(); return len(h.events) == runs })
	s.parkSecret()
	check(t, w.stop())

	for _, word := range []string{canary, canaryNumber, handlersSaid} {
		if text := log.String(); strings.Contains(text, word) {
			t.Errorf("the log tells %s:\n%s", word, text)
		}
		for _, family := range must(w.registry.Gather())(t) {
			if strings.Contains(family.String(), word) {
				t.Errorf("metric %s tells %s", family.GetName(), word)
			}
		}
		for run, told := range h.events {
			if strings.Contains(string(told[0].Data)+told[0].Subject, word) {
				t.Errorf("the event of run %s tells %s: %s", run, word, told[0].Data)
			}
		}
	}
	inputs := []string{"operation_runs.input", "operation_runs.spare_input", "dead_letters.body"}
	s.wantOnlyIn(canary, inputs, "operation_runs.input", "dead_letters.body")
	s.wantOnlyIn(canaryNumber, inputs, "operation_runs.input", "dead_letters.body")
	s.wantOnlyIn(handlersSaid, []string{"operation_run_attempts.error"}, "operation_run_attempts.error")
}

// secretively ends runs in every way. What it says of its input, it says in its own words.
func (s *stack) secretively(ctx context.Context, job *Job[secretive]) error {
	said := fmt.Errorf("this is %s", handlersSaid)
	switch what, _, _ := strings.Cut(job.Args.Key, ":"); what {
	case "fails":
		return said
	case "panics":
		panic(said)
	case "blocked":
		return Blocked("test.blocked", "blocked")
	case "cancels":
		return Cancel(said)
	case "permanent":
		return Permanent(said)
	case "retries":
		return Retry(said, time.Millisecond)
	case "partly":
		job.Failure("test.partly", "not all of it")
		job.Count(job.Args.Secret, 1) // no count of this name
		return nil
	case "queues":
		job.Queue("insert into effects values ($1, $2)", job.RunID, job.Attempt)
		return nil
	case "queues badly":
		job.Queue("select ($1::text)::int", handlersSaid)
		return nil
	case "commits badly":
		return job.Commit(ctx, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, "select ($1::text)::int", handlersSaid)
			return err
		})
	}
	return writeEffect(ctx, &Job[keyed]{Work: job.Work})
}

// sendSecrets sends jobs that run, and returns how many, and messages that do not.
func (s *stack) sendSecrets() (runs int) {
	s.t.Helper()
	for _, what := range []string{"fails", "panics", "blocked", "cancels", "permanent", "retries", "partly", "queues", "queues badly", "commits badly", "succeeds"} {
		s.publish(fmt.Sprintf(`{"key":"%s:%s","secret":"%[2]s","other":%s}`, what, canary, canaryNumber))
		runs++
	}
	for field, value := range map[string]string{
		"number": canaryNumber, "at": `"` + canary + `"`, "id": `"` + canary + `"`, "secret": `["` + canary + `"]`,
	} {
		s.publish(fmt.Sprintf(`{"key":"does not decode: %s","%[1]s":%[2]s}`, field, value))
		runs++
	}
	s.ask(s.dispatcher(), map[string]string{"key": "dispatched", "secret": canary})
	runs++

	of := events.Subjects{}.Subject(dedupe.Tenant(s.tenant), testType)
	event := nats.Header{"Content-Type": {"application/cloudevents+json"}}
	for _, m := range []nats.Msg{
		{Data: []byte(`{"secret":"` + canary + `"}`)},
		{Data: []byte(`{"key":` + canaryNumber + `}`)},
		{Data: []byte(`{"key":"` + canary + `","key":"` + canary + `"}`)},
		{Data: []byte(`{"key":"` + canary + `"`)},
		{Data: []byte(`{"key":"` + canary + `"} ` + canary)},
		{Data: []byte(`"` + canary + `"`)},
		{Data: []byte(canary)},
		{Data: []byte(`{"key":"\u12-` + canary + `"}`)},
		{Data: []byte(`{"secret":"` + canary + `","key":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`)},
		{Data: []byte(`{"specversion":"1.0","id":"1","source":"/a","type":"test.other","data":{"key":"` + canary + `"}}`), Header: event},
		{Data: []byte(`{"specversion":"1.0","id":"1","source":"/a","type":"` + testType + `","data":"` + canary + `"}`), Header: event},
		{Data: []byte(`{"specversion":"1.0","id":"1","source":"/a","type":"` + testType + `","data_base64":"` + canary + `"}`), Header: event},
		{Data: []byte(`{"specversion":"1.0","data":{"key":"` + canary + `"}}`), Header: event},
		{Data: []byte(`{"key":"` + canary + `","secret":"` + canary + `"}`), Subject: events.Subjects{}.Subject(dedupe.Tenant(s.tenant), strictType)},
		{Data: []byte(`{"key":"` + canary + `"}`), Subject: events.Subjects{}.Subject(dedupe.Tenant(s.tenant), "test.unheard_of")},
		{Data: []byte(`{"key":"` + canary + `"}`), Subject: events.Subjects{}.Subject(dedupe.Tenant(uuid.New()), testType)},
		{Data: []byte(`{"key":"` + canary + `"}`), Header: nats.Header{"Oprun-Version": {"9"}}},
	} {
		if m.Subject == "" {
			m.Subject = of
		}
		must(s.js.PublishMsg(s.t.Context(), &m))(s.t)
	}
	return runs
}

// parkSecret has a job wait in the ledger for its suspended tenant.
func (s *stack) parkSecret() {
	s.t.Helper()
	must(s.ledger.Suspend(s.t.Context(), s.tenant))(s.t)
	s.publish(`{"key":"parked","secret":"` + canary + `"}`)
	s.eventually("the parked run", func() bool {
		return s.count("select count(*) from oprun.operation_runs where due_at = 'infinity'") == 1
	})
}

// wantOnlyIn looks for a word in every column of the ledger, as text and as bytes. It must be in the columns named last,
// or the test looks for nothing.
func (s *stack) wantOnlyIn(word string, allowed []string, expected ...string) {
	s.t.Helper()
	rows := must(s.pool.Query(s.t.Context(), "select table_name, column_name from information_schema.columns where table_schema = 'oprun'"))(s.t)
	columns := must(pgx.CollectRows(rows, pgx.RowToStructByPos[struct{ Table, Column string }]))(s.t)
	found := map[string]bool{}
	for _, c := range columns {
		table, column := pgx.Identifier{"oprun", c.Table}.Sanitize(), pgx.Identifier{c.Column}.Sanitize()
		n := s.count("select count(*) from "+table+" where strpos("+column+"::text, $1) > 0 or strpos("+column+"::text, $2) > 0",
			word, hex.EncodeToString([]byte(word)))
		found[c.Table+"."+c.Column] = n > 0
	}
	for _, column := range expected {
		if !found[column] {
			s.t.Errorf("%s is not in %s", word, column)
		}
	}
	for _, column := range allowed {
		delete(found, column)
	}
	for column, there := range found {
		if there {
			s.t.Errorf("%s is in %s", word, column)
		}
	}
}
