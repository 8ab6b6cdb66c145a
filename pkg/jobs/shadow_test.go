package jobs

import (
	"cmp"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"oprun.example/pkg/catalog"
	"oprun.example/pkg/events"
	"oprun.example/pkg/oprun"
)

// tables is the content of every table of the database, but those of shadows.
func (s *stack) tables() map[string]string {
	s.t.Helper()
	rows := must(s.pool.Query(s.t.Context(), `select c.oid::regclass::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
		where c.relkind = 'r' and n.nspname !~ '^(pg_|information_schema|oprun_shadow_)'`))(s.t)
	contents := map[string]string{}
	for _, table := range must(pgx.CollectRows(rows, pgx.RowTo[string]))(s.t) {
		var content string
		check(s.t, s.pool.QueryRow(s.t.Context(), "select coalesce(md5(string_agg(x::text, ';' order by x::text)), '') || ' ' || count(*) from "+table+" x").Scan(&content))
		contents[table] = content
	}
	return contents
}

// differing are the differences as texts, sorted.
func differing(report oprun.ShadowReport) (list []string) {
	for _, d := range report.Differences {
		list = append(list, fmt.Sprint(d.Type, " ", d.What, " ", cmp.Or(d.Ledger.Verdict, "nothing"), "→", d.Shadow.Verdict))
	}
	slices.Sort(list)
	return slices.Compact(list)
}

func leftOut(report oprun.ShadowReport) map[oprun.LeftOut]int {
	all := map[oprun.LeftOut]int{}
	for _, total := range report.Totals {
		for why, n := range total.LeftOut {
			all[why] += n
		}
	}
	return all
}

func TestShadowOfTheSameHandlersDiffersInNothing(t *testing.T) {
	t.Parallel()
	s := shadowStory(t)
	before := s.tables()
	if len(before) < 9 || before["effects"] == " 0" {
		t.Fatalf("there is nothing to be changed: %v", before)
	}
	tally, report := s.shadow("same", newShop(), s.catalog, readShadowRecord(t))
	if after := s.tables(); !maps.Equal(before, after) {
		t.Errorf("a shadow has changed what is not its own:\n%v\n%v", before, after)
	}
	if report.Different != 0 {
		t.Errorf("%d differences: %v %+v", report.Different, differing(report), report.Differences)
	}
	if left := leftOut(report); len(left) != 0 {
		t.Errorf("left out: %v", left)
	}
	if report.FinishedAt == nil || tally.Executed < 140 || tally.Skipped < 60 || tally.Repeated != 4 || tally.Refused != 0 {
		t.Errorf("played %+v of %+v", tally, report.ShadowInfo)
	}
}

// The stream has, beside what producers sent, what the relay published: retries, and the runs that jobs have dispatched.
func TestShadowOfTheStreamDiffersInNothing(t *testing.T) {
	t.Parallel()
	s := shadowStory(t)
	before := s.tables()
	tally, report := s.shadow("stream", newShop(), s.catalog, events.Read(t.Context(), s.js, s.topology.Stream, events.Range{}))
	if report.Different != 0 {
		t.Errorf("%d differences: %v %+v", report.Different, differing(report), report.Differences)
	}
	// Of the dead letters only the record knows the places.
	if left := leftOut(report); !maps.Equal(left, map[oprun.LeftOut]int{oprun.NotInLedger: 16}) {
		t.Errorf("left out: %v", left)
	}
	if after := s.tables(); !maps.Equal(before, after) {
		t.Errorf("a shadow has changed what is not its own:\n%v\n%v", before, after)
	}
	if chained := s.count("select count(*) from oprun_shadow_stream.operation_runs where type = 'shop.order'"); chained != 48 || tally.Repeated < 12 {
		t.Errorf("%d orders were played, 24 of them dispatched, want 48: %+v", chained, tally)
	}
}

// recordedRuns are the runs that these recorded messages would make.
func recordedRuns(t *testing.T, these func(jobType string, job ordered) bool) (runs []string) {
	t.Helper()
	for m, err := range readShadowRecord(t) {
		check(t, err)
		job, err := events.Codec{}.Decode(m)
		var input ordered
		if err == nil && json.Unmarshal(job.Input, &input) == nil && these(job.Type, input) {
			runs = append(runs, job.Occurrence.RunID(job.Scope, job.Type).String())
		}
	}
	slices.Sort(runs)
	return slices.Compact(runs)
}

// joined are the requests that joined runs of a type.
func (s *stack) joined(jobType string) []string {
	s.t.Helper()
	rows := must(s.pool.Query(s.t.Context(), `select d.id::text from oprun.operation_run_deliveries d
		join oprun.operation_runs r on r.id = d.run_id where r.type = $1 order by 1`, jobType))(s.t)
	return must(pgx.CollectRows(rows, pgx.RowTo[string]))(s.t)
}

// differences plays the record with something changed, and returns the differences by run.
func (s *stack) differences(name string, h *shop, change func(map[string]catalog.Job)) map[string]oprun.ShadowDifference {
	s.t.Helper()
	return s.differencesOf(name, h, change, readShadowRecord(s.t))
}

func (s *stack) differencesOf(
	name string, h *shop, change func(map[string]catalog.Job), records iter.Seq2[events.Message, error],
) map[string]oprun.ShadowDifference {
	s.t.Helper()
	_, report := s.shadow(name, h, shadowCatalog(s.t, change), records)
	found := make(map[string]oprun.ShadowDifference, report.Different)
	for _, d := range report.Differences {
		found[d.RunID.String()] = d
	}
	if len(found) != report.Different {
		s.t.Errorf("%d differences in %d runs", report.Different, len(found))
	}
	return found
}

// wantDifferences fails the test unless exactly these runs differ, and in this.
func wantDifferences(t *testing.T, found map[string]oprun.ShadowDifference, what string, want []string) {
	t.Helper()
	if got := slices.Sorted(maps.Keys(found)); len(want) == 0 || !slices.Equal(want, got) {
		t.Errorf("%d runs differ in %s, want %d:\n%v\n%v", len(got), what, len(want), got, want)
	}
	for id, d := range found {
		if got := strings.Join(d.What, " "); got != what {
			t.Errorf("run %s differs in %s, want %s", id, got, what)
		}
	}
}

func TestShadowShowsWhatAChangedHandlerDoes(t *testing.T) {
	t.Parallel()
	s := shadowStory(t)
	h := newShop()
	h.orders = func(key string) int64 { return int64(strings.Count(key, "7")) + 1 }
	found := s.differences("counts", h, nil)
	wantDifferences(t, found, "counts", recordedRuns(t, func(jobType string, job ordered) bool {
		return strings.Contains(job.Key, "7") && slices.Contains([]string{"shop.order", "shop.report", "shop.import"}, jobType)
	}))

	h = newShop()
	h.failCode = "supplier.gone"
	found = s.differences("codes", h, nil)
	wantDifferences(t, found, "failures", recordedRuns(t, func(jobType string, job ordered) bool { return jobType == "shop.import" && job.N%3 == 0 }))
	for id, d := range found {
		if d.Ledger.Failures["supplier.closed"] != 1 || d.Shadow.Failures["supplier.gone"] != 1 {
			t.Errorf("run %s: %v, and now %v", id, d.Ledger.Failures, d.Shadow.Failures)
		}
	}

	h = newShop()
	h.fails = func(key string) bool { return key != "k1" && key != "k2" }
	found = s.differences("outcomes", h, nil)
	wantDifferences(t, found, "outcome counts failures", recordedRuns(t, func(jobType string, job ordered) bool {
		return jobType == "shop.fail" && (job.Key == "k1" || job.Key == "k2")
	}))
}

func TestShadowShowsWhatAChangedCatalogueDecides(t *testing.T) {
	t.Parallel()
	s := shadowStory(t)
	found := s.differences("schema", newShop(), func(jobs map[string]catalog.Job) {
		job := jobs["shop.order"]
		job.Schema = "small.json"
		jobs["shop.order"] = job
	})
	wantDifferences(t, found, "verdict", recordedRuns(t, func(jobType string, job ordered) bool {
		return jobType == "shop.order" && job.N > 10
	}))

	found = s.differences("identity", newShop(), func(jobs map[string]catalog.Job) {
		declare(jobs, "shop.slow", []string{"key", "n"}, 0) // a duplicate is now a job of its own
	})
	wantDifferences(t, found, "verdict", s.joined("shop.slow"))

	found = s.differences("skip", newShop(), func(jobs map[string]catalog.Job) {
		job := jobs["shop.follow"]
		job.OnDuplicate = catalog.Skip
		jobs["shop.follow"] = job
	})
	if len(found) != 16 {
		t.Errorf("%d requests differ, want the 16 that joined a follow-up", len(found))
	}
	for _, d := range found {
		if d.Type != "shop.follow" || d.Ledger.Verdict != "follow_up" || d.Shadow.Verdict != "duplicate" {
			t.Errorf("%+v", d)
		}
	}

	found = s.differences("cooldown", newShop(), func(jobs map[string]catalog.Job) {
		declare(jobs, "shop.report", []string{}, time.Hour) // all reports are now one, and cool down
	})
	if len(found) != 23 {
		t.Errorf("%d of 24 reports differ, want all but the first", len(found))
	}
	for _, d := range found {
		if d.Type != "shop.report" || d.Shadow.Verdict != "duplicate" && d.Shadow.Verdict != "cooldown" {
			t.Errorf("%+v", d)
		}
	}
}

// A ledger that was slow has not taken requests in the order of the record: here the first of it was the last.
func TestShadowFollowsTheLedgersOrder(t *testing.T) {
	t.Parallel()
	s := shadowStory(t)
	for name, c := range map[string]struct {
		change func(map[string]catalog.Job)
		want   int
	}{
		"same":     {nil, 0},
		"identity": {func(jobs map[string]catalog.Job) { declare(jobs, "shop.slow", []string{"key", "n"}, 0) }, 20},
		"cooldown": {func(jobs map[string]catalog.Job) { declare(jobs, "shop.report", []string{}, time.Hour) }, 23},
	} {
		found := s.differencesOf(name, newShop(), c.change, backwards(readShadowRecord(t)))
		if len(found) != c.want {
			t.Errorf("%s: %d requests differ, want %d: %v", name, len(found), c.want, slices.Collect(maps.Keys(found)))
		}
	}
}

func declare(jobs map[string]catalog.Job, jobType string, identity []string, cooldown time.Duration) {
	job := jobs[jobType]
	job.Identity, job.Cooldown = identity, cooldown
	jobs[jobType] = job
}

func backwards(records iter.Seq2[events.Message, error]) iter.Seq2[events.Message, error] {
	var all []events.Message
	for m := range records {
		all = append(all, m)
	}
	return func(yield func(events.Message, error) bool) {
		for _, m := range slices.Backward(all) {
			if !yield(m, nil) {
				return
			}
		}
	}
}
