package catalog_test

import (
	"testing"
	"time"

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
		"an hour that is skipped":      {"30 2 * * *", "Europe/Berlin", "2026-03-29T12:00:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"},
		"an hour that is repeated":     {"30 2 * * *", "Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"},
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

func TestMissedCountsTheFireTimesInBetween(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		cron, from, to string
		most, want     int
	}{
		"none between neighbours":         {"0 3 * * *", "2026-01-10T03:00:00Z", "2026-01-11T03:00:00Z", 100, 0},
		"those between the last and now":  {"0 3 * * *", "2026-01-10T03:00:00Z", "2026-01-14T03:00:00Z", 100, 3},
		"one just before the end":         {"0 3 * * *", "2026-01-10T03:00:00Z", "2026-01-11T03:00:00.001Z", 100, 1},
		"no more than asked for":          {"* * * * *", "2026-01-10T03:00:00Z", "2027-01-10T03:00:00Z", 100, 100},
		"none when most is none":          {"* * * * *", "2026-01-10T03:00:00Z", "2027-01-10T03:00:00Z", 0, 0},
		"none when the end is the start":  {"* * * * *", "2026-01-10T03:00:30Z", "2026-01-10T03:00:30Z", 100, 0},
		"none when the end comes first":   {"* * * * *", "2026-01-10T03:00:00Z", "2025-01-10T03:00:00Z", 100, 0},
		"none that come after five years": {"0 0 29 2 *", "2096-03-01T00:00:00Z", "2103-01-01T00:00:00Z", 100, 0},
		"multiples too":                   {"@every 10m", "2026-01-10T03:00:00Z", "2026-01-10T04:00:00Z", 100, 5},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := newSchedule(t, c.cron, "").Missed(at(t, c.from), at(t, c.to), c.most); got != c.want {
				t.Errorf("%d missed, want %d", got, c.want)
			}
		})
	}
}

func TestScheduleOfNoCatalogueNeverFires(t *testing.T) {
	t.Parallel()
	s := catalog.Schedule{Type: "a.b", Cron: "* * * * *"}
	if !s.Next(time.Now()).IsZero() || !s.Prev(time.Now()).IsZero() || s.Missed(time.Unix(0, 0), time.Now(), 1) != 0 {
		t.Error("it fires")
	}
}
