package replay

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
	"oprun.example/pkg/jobs"
)

// messages is how many a stream of these tests holds: the benchmark beside them has 100,000.
const messages = 5000

// fill publishes jobs of every kind that a stream may hold, has them done, and returns the record of it. Beside plain
// messages there are requests that were asked for twice, runs of the ledger's that the relay has published, runs that it
// has published again for their second attempt, failures, a job that happens once, and messages that can never run.
func (h *house) fill(n int) (record []byte) {
	h.t.Helper()
	publisher := events.NewPublisher(h.js, events.PublisherConfig{})
	var pending []*events.Pending
	send := func(jobType, body string, header map[string][]string) {
		pending = append(pending, must(publisher.Send(h.t.Context(), events.Message{Subject: h.subject(jobType), Header: header, Data: []byte(body)}))(h.t))
	}
	for i := range n {
		body := fmt.Sprintf(`{"key": "%d"}`, i)
		if i%10 == 0 { // in two messages
			header := map[string][]string{events.HeaderRequestID: {fmt.Sprintf("order-%d", i)}}
			send(writes, body, header)
			send(writes, body, header)
			continue
		}
		send(writes, body, nil)
	}
	for i := range 5 {
		body := fmt.Sprintf(`{"key": "%d"}`, i)
		send(fails, body, nil)
		send(stumbles, body, nil)
		send(once, `{"key": "the same"}`, nil)
	}
	send(writes, `{"key": `, nil)
	send("test.unknown", `{}`, nil)
	for _, p := range pending {
		must(p.Wait(h.t.Context()))(h.t)
	}
	stop := h.work(h.database)
	dispatcher := jobs.NewDispatcher(h.ledger, h.catalog, h.js.Conn(), jobs.DispatcherConfig{})
	for i := range 50 {
		must(dispatcher.Dispatch(h.t.Context(), dedupe.Tenant(h.tenant), writes, keyed{fmt.Sprintf("dispatched %d", i)}))(h.t)
	}
	h.drained(h.database)
	stop()
	if got, want := h.count("select count(*) from effects"), n+5+1+50; got != want {
		h.t.Fatalf("%d effects before any replay, want %d", got, want)
	}
	return h.record()
}

// replay replays, to a ledger.
func (h *house) replay(d *database, source Source, config Config) Report {
	h.t.Helper()
	config.Timeout = 2 * time.Minute
	report, err := Run(h.t.Context(), h.js, d.ledger, source, config)
	check(h.t, err)
	return report
}

// rows are a report's, as text.
func rows(r Report) []string {
	var lines []string
	for _, row := range r.Rows {
		lines = append(lines, strings.TrimSpace(fmt.Sprintf("%d %s %s %s", row.Messages, row.Type, row.Verdict, row.Detail)))
	}
	return lines
}

func wantRows(t *testing.T, r Report, want ...string) {
	t.Helper()
	got := rows(r)
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the report (-want +got):\n%s", diff)
	}
}

// The whole of a stream once more, on the ledger that has done it: nothing happens, and the report says so.
func TestReplayOnTheSameLedgerHasNoEffect(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	record := h.fill(messages)
	before := h.tables("operation_runs", "operation_run_attempts", "operation_run_deliveries", "dead_letters")
	effects := h.effects()
	h.work(h.database)

	report := h.replay(h.database, file(record), Config{})
	want := []string{
		fmt.Sprintf("%d test.write already_done succeeded", messages+messages/10+50),
		"1 test.write dead_letter malformed", "1 test.unknown dead_letter",
		"5 test.fail already_done failed", "10 test.stumble already_done succeeded",
		"1 test.once already_done succeeded", "4 test.once joined",
	}
	wantRows(t, report, want...)
	if report.Effects != 0 || !report.Settled() || report.Refused != 0 || report.Published != report.Messages-2 {
		t.Errorf("the report is %+v, want no effect of all that was published, which is all but the two dead letters", report)
	}
	if diff := cmp.Diff(before, h.tables(slices.Collect(maps.Keys(before))...)); diff != "" {
		t.Errorf("the replay changed the ledger:\n%.2000s", diff)
	}
	if got := h.effects(); got != effects {
		t.Errorf("there are %s, and before there were %s", got, effects)
	}

	again := h.replay(h.database, file(h.record()), Config{}) // with what the replay has published
	if again.Effects != 0 || again.Messages != 2*report.Messages-2 || h.effects() != effects {
		t.Errorf("the replay of a replay: %+v, and %s", again, h.effects())
	}
}

// On a ledger that has nothing of it everything happens again, as often as it did, and only once when the replay is
// gone on with.
func TestReplayAsNewOnAnEmptyLedgerDoesEverythingAgain(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	record := h.fill(messages)
	effects, empty := h.effects(), h.newDatabase()
	h.work(empty)
	id := must(NewID())(t)

	// Interrupted in the middle of it, and gone on with.
	ctx, interrupt := context.WithCancel(t.Context())
	_, err := Run(ctx, h.js, empty.ledger, file(record), Config{AsNew: true, ID: id, Progress: func(p Progress) {
		if p.Published > messages/2 {
			interrupt()
		}
	}})
	var stopped *StoppedError
	if !asStopped(err, &stopped) || stopped.ID != id || stopped.Published <= messages/2 || stopped.Published >= messages+messages/10 {
		t.Fatalf("interrupted: %v, %+v", err, stopped)
	}
	report := h.replay(empty, file(record), Config{AsNew: true, ID: id})
	h.drained(empty)
	if got := empty.effects(); got != effects {
		t.Errorf("there are %s, and in the ledger that was recorded %s", got, effects)
	}
	if !report.Settled() || report.Refused != 0 {
		t.Errorf("the report is %+v", report)
	}
	h.wantOrigins(empty, record)

	again := h.replay(empty, file(record), Config{AsNew: true, ID: id})
	if again.Effects != 0 || empty.effects() != effects {
		t.Errorf("gone on with when all was done: %+v, and %s", again, empty.effects())
	}
	anew := h.replay(empty, file(record), Config{AsNew: true})
	wantRows(t, anew,
		fmt.Sprintf("%d test.write ran succeeded", messages+50), fmt.Sprintf("%d test.write repeated", messages/10),
		"1 test.write dead_letter", "1 test.unknown dead_letter",
		"5 test.fail ran failed", "5 test.stumble ran succeeded", "5 test.stumble repeated", "5 test.once joined")
	if want := messages + 50 + 5 + 5; anew.Effects != want {
		t.Errorf("a new replay has %d effects, want %d", anew.Effects, want)
	}
}

// wantOrigins fails the test unless each run names the place of a recorded message of its own type and input.
func (h *house) wantOrigins(d *database, record []byte) {
	h.t.Helper()
	recorded := map[string]string{}
	for m, err := range file(record).Messages {
		check(h.t, err)
		recorded[m.Place().String()] = m.Subject
	}
	got := must(d.pool.Query(h.t.Context(), "select type, context->>'replayed_from' from oprun.operation_runs"))(h.t)
	var jobType string
	var from *string
	must(pgx.ForEachRow(got, []any{&jobType, &from}, func() error {
		if from == nil || recorded[*from] != h.subject(jobType) {
			h.t.Errorf("a run of %s names %v as its origin", jobType, from)
		}
		return nil
	}))(h.t)
}

// A dry run writes nothing, anywhere.
func TestDryRunWritesNothing(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	record := h.fill(100)
	h.publish(writes, `{"key": "new"}`)
	source, empty := file(h.record()), h.newDatabase()
	before, beforeEmpty, state := h.tables(), empty.tables(), h.state()

	same := h.replay(h.database, source, Config{DryRun: true})
	wantRows(t, same, "160 test.write already_done succeeded", "1 test.write would_run",
		"1 test.write dead_letter malformed", "1 test.unknown dead_letter",
		"5 test.fail already_done failed", "10 test.stumble already_done succeeded",
		"1 test.once already_done succeeded", "4 test.once joined")
	onEmpty := h.replay(empty, source, Config{DryRun: true})
	wantRows(t, onEmpty, "101 test.write would_run", "10 test.write repeated", "50 test.write refused unknown_run",
		"1 test.write dead_letter malformed", "1 test.unknown would_run",
		"5 test.fail would_run", "5 test.stumble would_run", "5 test.stumble refused unknown_run", "5 test.once would_run")
	report, err := Run(t.Context(), nil, empty.ledger, file(record), Config{DryRun: true, AsNew: true}) // without NATS
	check(t, err)
	wantRows(t, report, "150 test.write would_run", "10 test.write repeated",
		"1 test.write dead_letter malformed", "1 test.unknown would_run",
		"5 test.fail would_run", "5 test.stumble would_run", "5 test.stumble repeated", "5 test.once would_run")

	for name, was := range map[string][2]any{
		"the ledger": {before, h.tables()}, "the empty ledger": {beforeEmpty, empty.tables()}, "the stream": {state, h.state()},
	} {
		if diff := cmp.Diff(was[0], was[1]); diff != "" {
			t.Errorf("a dry run changed %s:\n%.2000s", name, diff)
		}
	}
	if len(before) < 9 {
		t.Errorf("only the tables %v were compared", slices.Collect(maps.Keys(before)))
	}
}

// A stream is replayed without a record, and to itself.
func TestReplayOfAStreamTakesWhatItHeldAtTheBeginning(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.work(h.database)
	for i := range 20 {
		h.publish(writes, fmt.Sprintf(`{"key": "%d"}`, i))
		h.publish(fails, fmt.Sprintf(`{"key": "%d"}`, i))
	}
	h.drained(h.database)
	filter := events.Filter{Types: []string{writes}, Range: events.Range{FromSeq: 3}}
	stream := Source{Messages: events.Read(t.Context(), h.js, "JOBS", filter.Narrowed())}
	report := h.replay(h.database, stream, Config{Filter: filter})
	wantRows(t, report, "19 test.write already_done succeeded")
	report = h.replay(h.database, stream, Config{Filter: filter, AsNew: true})
	wantRows(t, report, "19 test.write ran succeeded", "19 test.write repeated")
}

// Two messages are one new request exactly when they were one.
func TestNewRequests(t *testing.T) {
	t.Parallel()
	replay, run := must(NewID())(t), uuid.New()
	id := newRequest(replay, run)
	parsed := must(uuid.Parse(id))(t)
	if parsed.Version() != 7 || parsed.Variant() != uuid.RFC4122 || parsed.Time() != replay.Time() || len(id) > events.MaxRequestIDLength {
		t.Errorf("%s is no UUID version 7 of the time of %s", id, replay)
	}
	if newRequest(replay, run) != id || newRequest(must(NewID())(t), run) == id || newRequest(replay, uuid.New()) == id {
		t.Errorf("%s is not that of this replay and this run alone", id)
	}
}
