package catalog_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"oprun.example/pkg/catalog"
)

// firesBetween lists the fire times after from and up to to, as Next gives them. It ends where Next stands still.
func firesBetween(s catalog.Schedule, from, to time.Time) []time.Time {
	var all []time.Time
	for fire := s.Next(from); fire.After(from) && !fire.After(to); fire = s.Next(from) {
		all, from = append(all, fire), fire
	}
	return all
}

// What people see on the wall, and what has fired by then.
func TestSkippedAndRepeatedTimesFireOnce(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		cron, zone, from, to string
		want                 []string
	}{
		"half past two, the day it is skipped: at three, summer time": {
			"30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00+01:00", "2026-03-30T12:00:00+02:00",
			[]string{"2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"},
		},
		"half past two, the day it comes twice: when it first comes": {
			"30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00+02:00", "2026-10-26T12:00:00+01:00",
			[]string{"2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"},
		},
		"three o'clock, the day that two is skipped": {
			"0 3 * * *", "Europe/Berlin", "2026-03-28T12:00:00+01:00", "2026-03-30T12:00:00+02:00",
			[]string{"2026-03-29T03:00:00+02:00", "2026-03-30T03:00:00+02:00"},
		},
		"three o'clock, the day that two comes twice": {
			"0 3 * * *", "Europe/Berlin", "2026-10-24T12:00:00+02:00", "2026-10-26T12:00:00+01:00",
			[]string{"2026-10-25T03:00:00+01:00", "2026-10-26T03:00:00+01:00"},
		},
		"every quarter of an hour over a skipped hour: its four and the next are one": {
			"*/15 * * * *", "Europe/Berlin", "2026-03-29T01:30:00+01:00", "2026-03-29T03:30:00+02:00",
			[]string{"2026-03-29T01:45:00+01:00", "2026-03-29T03:00:00+02:00", "2026-03-29T03:15:00+02:00", "2026-03-29T03:30:00+02:00"},
		},
		"every quarter of an hour over a repeated hour: nothing while it is shown again": {
			"*/15 * * * *", "Europe/Berlin", "2026-10-25T02:15:00+02:00", "2026-10-25T03:15:00+01:00",
			[]string{"2026-10-25T02:30:00+02:00", "2026-10-25T02:45:00+02:00", "2026-10-25T03:00:00+01:00", "2026-10-25T03:15:00+01:00"},
		},
		"a clock put by half an hour": {
			"10,40 * * * *", "Australia/Lord_Howe", "2026-04-05T01:00:00+11:00", "2026-04-05T02:40:00+10:30",
			[]string{"2026-04-05T01:10:00+11:00", "2026-04-05T01:40:00+11:00", "2026-04-05T02:10:00+10:30", "2026-04-05T02:40:00+10:30"},
		},
		"midnight that is skipped": {
			"0 0 * * *", "America/Sao_Paulo", "2018-11-03T12:00:00-03:00", "2018-11-05T12:00:00-02:00",
			[]string{"2018-11-04T01:00:00-02:00", "2018-11-05T00:00:00-02:00"},
		},
		"a day that is skipped": {
			"0 3 * * *", "Pacific/Apia", "2011-12-28T12:00:00-10:00", "2012-01-01T12:00:00+14:00",
			[]string{"2011-12-29T03:00:00-10:00", "2011-12-31T00:00:00+14:00", "2011-12-31T03:00:00+14:00", "2012-01-01T03:00:00+14:00"},
		},
		"summer time but for a month": {
			"30 2 * * *", "Africa/Casablanca", "2026-02-14T12:00:00+01:00", "2026-03-23T12:00:00+01:00", ramadan(),
		},
		"a clock that once differed by odd seconds": {
			"0 0 * * *", "Europe/Amsterdam", "1937-06-30T12:00:00Z", "1937-07-02T12:00:00Z",
			[]string{"1937-06-30T22:40:28Z", "1937-07-01T22:40:00Z"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var want []string
			for _, text := range c.want {
				want = append(want, at(t, text).UTC().String())
			}
			var got []string
			for _, fire := range firesBetween(newSchedule(t, c.cron, c.zone), at(t, c.from), at(t, c.to)) {
				got = append(got, fire.String())
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// ramadan lists 02:30 in Casablanca in the year 2026, when the clock was put back on 15 February and on again on 22 March.
func ramadan() []string {
	all := []string{"2026-02-15T02:30:00+01:00"} // the first of two
	for day := time.Date(2026, 2, 16, 2, 30, 0, 0, time.UTC); day.Before(time.Date(2026, 3, 22, 0, 0, 0, 0, time.UTC)); day = day.AddDate(0, 0, 1) {
		all = append(all, day.Format(time.RFC3339))
	}
	return append(all, "2026-03-22T03:00:00+01:00", "2026-03-23T02:30:00+01:00") // skipped, and usual
}

// crons are five fields and what they mean, said again in Go.
var crons = map[string]func(wall time.Time) bool{
	"* * * * *":        func(time.Time) bool { return true },
	"*/15 * * * *":     func(w time.Time) bool { return w.Minute()%15 == 0 },
	"*/7 1-3,23 * * *": func(w time.Time) bool { return w.Minute()%7 == 0 && (w.Hour() >= 1 && w.Hour() <= 3 || w.Hour() == 23) },
	"30 2 * * *":       func(w time.Time) bool { return w.Hour() == 2 && w.Minute() == 30 },
	"0 3 * * *":        func(w time.Time) bool { return w.Hour() == 3 && w.Minute() == 0 },
	"0 0 * * *":        func(w time.Time) bool { return w.Hour() == 0 && w.Minute() == 0 },
	"5 */3 * * sun":    func(w time.Time) bool { return w.Hour()%3 == 0 && w.Minute() == 5 && w.Weekday() == time.Sunday },
	"59 23 31 * *":     func(w time.Time) bool { return w.Hour() == 23 && w.Minute() == 59 && w.Day() == 31 },
	"0 1 1 * 1": func(w time.Time) bool { // the first of the month, and Mondays
		return w.Hour() == 1 && w.Minute() == 0 && (w.Day() == 1 || w.Weekday() == time.Monday)
	},
}

// zones are those that do something odd, and a few that do not.
var zones = []string{
	"", "Europe/Berlin", "Europe/Dublin", "Europe/Amsterdam", "Europe/Lisbon", "America/New_York", "America/Sao_Paulo", "America/Juneau",
	"America/Caracas", "America/Nuuk", "America/Scoresbysund", "Africa/Casablanca", "Africa/Monrovia", "Africa/Cairo", "Asia/Kolkata",
	"Asia/Pyongyang", "Asia/Manila", "Asia/Gaza", "Asia/Tehran", "Antarctica/Troll", "Australia/Lord_Howe", "Pacific/Apia", "Pacific/Chatham",
	"Pacific/Kwajalein",
}

// someSchedule draws a schedule of five fields, with what its fields mean and where.
func someSchedule(t *testing.T) func(*rapid.T) (s catalog.Schedule, names func(time.Time) bool, zone *time.Location) {
	t.Helper()
	made, places := map[string]catalog.Schedule{}, map[string]*time.Location{}
	for _, name := range zones {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		places[name] = zone
		for cron := range crons {
			made[cron+name] = newSchedule(t, cron, name)
		}
	}
	fields := make([]string, 0, len(crons))
	for cron := range crons {
		fields = append(fields, cron)
	}
	slices.Sort(fields)
	return func(t *rapid.T) (catalog.Schedule, func(time.Time) bool, *time.Location) {
		cron, zone := rapid.SampledFrom(fields).Draw(t, "cron"), rapid.SampledFrom(zones).Draw(t, "zone")
		return made[cron+zone], crons[cron], places[zone]
	}
}

// near draws a moment at or around a change of the zone's clock, or any at all.
func near(t *rapid.T, zone *time.Location) time.Time {
	moment := time.Unix(rapid.Int64Range(-4e9, 4e9).Draw(t, "moment"), 0) // 1843 to 2096
	if start, _ := moment.In(zone).ZoneBounds(); !start.IsZero() && rapid.Bool().Draw(t, "near a change") {
		moment = start
	}
	moment = moment.Add(time.Second * time.Duration(rapid.Int64Range(-26*3600, 26*3600).Draw(t, "seconds away")))
	return moment.Add(time.Duration(rapid.Int64Range(0, 1e9-1).Draw(t, "ns")))
}

// watch looks at the wall clock every second and says when something is to fire: at each time that it has not shown
// before, and at once for those that it jumps over.
func watch(zone *time.Location, names func(wall time.Time) bool, from, to time.Time) []time.Time {
	shown := map[int64]bool{}
	var fires []time.Time
	var before int64
	for now := from.Unix() - 26*3600; now <= to.Unix(); now++ { // begin early: no clock was ever put back by more
		moment := time.Unix(now, 0)
		_, offset := moment.In(zone).Zone()
		wall := now + int64(offset)
		if before == 0 {
			before = wall - 1
		}
		fire := false
		for w := min(before+1, wall); w <= wall; w++ {
			if w%60 != 0 || shown[w] {
				continue
			}
			shown[w] = true
			fire = fire || names(time.Unix(w, 0).UTC())
		}
		if before = wall; fire && moment.After(from) {
			fires = append(fires, moment.UTC())
		}
	}
	return fires
}

func TestFireTimesAreThoseThatAWatcherOfTheClockSees(t *testing.T) {
	t.Parallel()
	draw := someSchedule(t)
	rapid.Check(t, func(t *rapid.T) {
		s, names, zone := draw(t)
		from := near(t, zone)
		to := from.Add(20 * time.Hour)
		want, got := watch(zone, names, from, to), firesBetween(s, from, to)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%s in %s from %s: -want +got:\n%s", s.Cron, zone, from.UTC(), diff)
		}
		var back []time.Time
		for fire := s.Prev(to); fire.After(from) && len(back) <= len(want); fire = s.Prev(fire.Add(-1)) {
			back = append(back, fire)
		}
		slices.Reverse(back)
		if diff := cmp.Diff(want, back); diff != "" {
			t.Fatalf("%s in %s back to %s: -want +got:\n%s", s.Cron, zone, from.UTC(), diff)
		}
		if missed := s.Missed(from, to.Add(1), 10_000); missed != len(want) {
			t.Fatalf("%s in %s from %s: %d missed of %d", s.Cron, zone, from.UTC(), missed, len(want))
		}
	})
}

func TestNextAndPrevAgree(t *testing.T) {
	t.Parallel()
	draw := someSchedule(t)
	often := []catalog.Schedule{newSchedule(t, "@every 1s", ""), newSchedule(t, "@every 11m", ""), newSchedule(t, "@every 7h", "")}
	rapid.Check(t, func(t *rapid.T) {
		s, _, zone := draw(t)
		if rapid.IntRange(0, 9).Draw(t, "every") == 0 {
			s = rapid.SampledFrom(often).Draw(t, "schedule")
		}
		now := near(t, zone)
		if err := agree(s, now); err != nil {
			t.Fatalf("%s in %s at %s: %v", s.Cron, zone, now.UTC(), err)
		}
		later := now.Add(time.Duration(rapid.Int64Range(1, int64(50*time.Hour)).Draw(t, "later")))
		if s.Next(later).Before(s.Next(now)) || s.Prev(later).Before(s.Prev(now)) {
			t.Fatalf("%s in %s: around %s it is before %s", s.Cron, zone, later.UTC(), now.UTC())
		}
	})
}

// agree holds the laws of Next and Prev at one moment.
func agree(s catalog.Schedule, now time.Time) error {
	prev, next := s.Prev(now), s.Next(now)
	switch {
	case prev.After(now) || !next.After(now):
		return fmt.Errorf("prev is %s and next is %s", prev, next)
	case prev.Nanosecond() != 0 || next.Nanosecond() != 0 || prev.Location() != time.UTC || next.Location() != time.UTC:
		return fmt.Errorf("%s or %s is not in UTC and whole seconds", prev, next)
	case !s.Prev(next).Equal(next) || !s.Prev(prev).Equal(prev):
		return fmt.Errorf("prev of %s is %s, and of %s it is %s", next, s.Prev(next), prev, s.Prev(prev))
	case !s.Next(prev).Equal(next) || !s.Prev(next.Add(-1)).Equal(prev):
		return fmt.Errorf("between %s and %s lies %s or %s", prev, next, s.Next(prev), s.Prev(next.Add(-1)))
	case !s.Next(prev.Add(-1)).Equal(prev):
		return fmt.Errorf("next of just before %s is %s", prev, s.Next(prev.Add(-1)))
	}
	return nil
}
