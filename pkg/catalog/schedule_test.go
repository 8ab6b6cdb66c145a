package catalog_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"oprun.example/pkg/catalog"
	"oprun.example/pkg/dedupe"
)

func newSchedule(t *testing.T, cron, zone string) catalog.Schedule {
	t.Helper()
	c, err := catalog.New(catalog.Catalog{
		Jobs:      map[string]catalog.Job{"a.b": {ScopeKind: dedupe.WorkspaceScope, Identity: []string{}}},
		Schedules: map[string]catalog.Schedule{"n": {Type: "a.b", Cron: cron, TimeZone: zone}},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c.Schedules["n"]
}

func at(t *testing.T, text string) time.Time {
	t.Helper()
	moment, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		t.Fatal(err)
	}
	return moment
}

func TestNextAndPrev(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ cron, zone, t, prev, next string }{
		"five fields in UTC":           {"0 3 * * *", "", "2026-01-10T12:00:00Z", "2026-01-10T03:00:00Z", "2026-01-11T03:00:00Z"},
		"five fields in a zone":        {"0 3 * * *", "Europe/Berlin", "2026-01-10T12:00:00Z", "2026-01-10T02:00:00Z", "2026-01-11T02:00:00Z"},
		"white space between them":     {" 0\t3  * * * ", "", "2026-01-10T12:00:00Z", "2026-01-10T03:00:00Z", "2026-01-11T03:00:00Z"},
		"at a fire time":               {"0 3 * * *", "", "2026-01-10T03:00:00Z", "2026-01-10T03:00:00Z", "2026-01-11T03:00:00Z"},
		"just before a fire time":      {"0 3 * * *", "", "2026-01-10T02:59:59.999Z", "2026-01-09T03:00:00Z", "2026-01-10T03:00:00Z"},
		"just after a fire time":       {"0 3 * * *", "", "2026-01-10T03:00:00.001Z", "2026-01-10T03:00:00Z", "2026-01-11T03:00:00Z"},
		"the zone of t does not count": {"0 3 * * *", "", "2026-01-10T03:30:00+02:00", "2026-01-09T03:00:00Z", "2026-01-10T03:00:00Z"},
		"once in four years":           {"0 0 29 2 *", "", "2026-01-10T00:00:00Z", "2024-02-29T00:00:00Z", "2028-02-29T00:00:00Z"},
		"names":                        {"*/15 9-17 * jan,FEB mon-fri", "", "2026-01-10T00:00:00Z", "2026-01-09T17:45:00Z", "2026-01-12T09:00:00Z"},
		"an hour that is skipped":      {"30 2 * * *", "Europe/Berlin", "2026-03-29T12:00:00Z", "2026-03-28T01:30:00Z", "2026-03-30T00:30:00Z"},
		"an hour that is repeated":     {"30 2 * * *", "Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"},
		"every ten minutes":            {"@every 10m", "", "2026-01-10T12:34:56Z", "2026-01-10T12:30:00Z", "2026-01-10T12:40:00Z"},
		"every at a multiple":          {"@every 10m", "", "2026-01-10T12:30:00Z", "2026-01-10T12:30:00Z", "2026-01-10T12:40:00Z"},
		"every in odd seconds":         {"@every 7s", "", "1970-01-01T00:00:20Z", "1970-01-01T00:00:14Z", "1970-01-01T00:00:21Z"},
		"every before the epoch":       {"@every 1h", "", "1969-12-31T23:59:59Z", "1969-12-31T23:00:00Z", "1970-01-01T00:00:00Z"},
		"every, seldom":                {"@every 8760h", "", "2026-01-10T00:00:00Z", "2025-12-18T00:00:00Z", "2026-12-18T00:00:00Z"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSchedule(t, c.cron, c.zone)
			if got := s.Next(at(t, c.t)); !got.Equal(at(t, c.next)) || got.Location() != time.UTC {
				t.Errorf("next is %s, want %s", got, c.next)
			}
			if got := s.Prev(at(t, c.t)); !got.Equal(at(t, c.prev)) || got.Location() != time.UTC {
				t.Errorf("prev is %s, want %s", got, c.prev)
			}
		})
	}
}

// Prev finds by bisection what Next would come by: nothing fires between Prev(t) and t.
func TestPrevIsTheLastFireTimeThatNextGives(t *testing.T) {
	t.Parallel()
	crons := []string{"* * * * *", "*/7 * * * *", "30 2 * * *", "0 */3 * * *", "59 23 31 * *", "0 0 1 * 1", "@every 11m", "@every 7h"}
	zones := []string{"", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Sao_Paulo", "Asia/Kolkata", "Pacific/Apia"}
	schedules := map[string]catalog.Schedule{}
	for _, cron := range crons {
		for _, zone := range zones {
			if cron[0] != '@' || zone == "" {
				schedules[cron+zone] = newSchedule(t, cron, zone)
			}
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		cron, zone := rapid.SampledFrom(crons).Draw(t, "cron"), rapid.SampledFrom(zones).Draw(t, "zone")
		s, ok := schedules[cron+zone]
		if !ok {
			t.Skip()
		}
		now := time.Unix(rapid.Int64Range(1.2e9, 2e9).Draw(t, "now"), rapid.Int64Range(0, 1e9-1).Draw(t, "ns"))
		prev := s.Prev(now)
		if prev.After(now) || !s.Next(prev.Add(-time.Second)).Equal(prev) || !s.Next(prev).After(now) {
			t.Fatalf("%s in %q: prev of %s is %s, and then %s", cron, zone, now.UTC(), prev, s.Next(prev))
		}
	})
}

func TestScheduleOfNoCatalogueNeverFires(t *testing.T) {
	t.Parallel()
	s := catalog.Schedule{Type: "a.b", Cron: "* * * * *"}
	if !s.Next(time.Now()).IsZero() || !s.Prev(time.Now()).IsZero() {
		t.Error("it fires")
	}
}
