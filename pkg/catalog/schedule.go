package catalog

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// Schedule asks for a job type at certain times. Each time it fires it makes one run for each scope, by the identity
// that [oprun.example/pkg/dedupe.ScheduleIdentity] gives for its name and the fire time.
type Schedule struct {
	Type     string          // the job type; required
	Cron     string          // five fields, or "@every 10m", which means the multiples of 10m since the Unix epoch; required
	TimeZone string          // of the five fields, an IANA name; default UTC
	Input    json.RawMessage // a JSON object; default {}

	clock clock
}

// Next returns the first fire time after t, in UTC and whole seconds; the zero time when there is none in five years.
//
// The five fields are read on the wall clock of the time zone, and each time they name fires once. A time that daylight
// saving skips fires at the first instant after the gap, in one with whatever else falls on that instant: a schedule
// knows its fires apart by their time in UTC alone. A time that is repeated fires when it first comes, so nothing fires
// while an hour is shown again: work that must run at even intervals uses @every.
func (s Schedule) Next(t time.Time) time.Time {
	if s.clock == nil { // not from a Catalog
		return time.Time{}
	}
	return instant(s.clock.next(t.Unix()))
}

// Prev returns the last fire time at or before t, in UTC and whole seconds; the zero time when there is none in five
// years. It gives what Next gives: no fire time lies between Prev(t) and t.
func (s Schedule) Prev(t time.Time) time.Time {
	if s.clock == nil {
		return time.Time{}
	}
	return instant(s.clock.prev(t.Unix()))
}

func instant(second int64, ok bool) time.Time {
	if !ok {
		return time.Time{}
	}
	return time.Unix(second, 0).UTC()
}

// Missed counts the fire times after from and before to, and stops at most. After a downtime only the latest fire time
// is made good: between the one that fired last and the latest there are so many that never will.
func (s Schedule) Missed(from, to time.Time, most int) int {
	missed := 0
	for missed < most {
		from = s.Next(from)
		if from.IsZero() || !from.Before(to) {
			break
		}
		missed++
	}
	return missed
}

var scheduleNameForm = regexp.MustCompile(`^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*){0,5}$`)

// schedule checks one declaration and completes it.
func (r *report) schedule(name string, s Schedule, jobs map[string]Job) Schedule {
	at := entry("schedules", name)
	if len(name) > maxNameLen || !scheduleNameForm.MatchString(name) {
		r.add(at, "%.100q is no name: write words of a-z, 0-9 and _, joined by dots, at most %d characters", name, maxNameLen)
	}
	job, ok := jobs[s.Type]
	switch {
	case s.Type == "":
		r.breaks(at+".type", "required: name a job type")
	case !ok:
		r.breaks(at+".type", "%.100q is not declared: add it under jobs, or mend the name", s.Type)
	}
	s.clock = r.clock(at, s)
	if s.Input == nil {
		s.Input = json.RawMessage("{}")
	}
	if err := checkInput(job, s.Input); err != nil {
		r.breaks(at+".input", "%v", err)
	}
	return s
}

func (r *report) clock(at string, s Schedule) clock {
	zone, err := location(s.TimeZone)
	if err != nil {
		r.breaks(at+".time_zone", "%.100q %v: use an IANA name, as in Europe/Berlin", s.TimeZone, err)
	}
	if strings.HasPrefix(s.Cron, "@") && s.TimeZone != "" {
		r.breaks(at+".time_zone", "has no meaning with @every: remove it")
	}
	c, err := parseCron(s.Cron, zone)
	if err != nil {
		r.breaks(at+".cron", "%v", err)
	}
	return c
}

func checkInput(job Job, input json.RawMessage) error {
	if !json.Valid(input) || strings.TrimLeft(string(input), " \t\r\n")[0] != '{' {
		return errors.New("is no JSON object: write one, as in {}")
	}
	return job.ValidateInput(input)
}

// location finds a time zone. The machine's own is none: two processes would fire at two times.
func location(name string) (*time.Location, error) {
	if name == "Local" {
		return time.UTC, errors.New("is not the same on every machine")
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return time.UTC, errors.New("is no time zone known here")
	}
	return zone, nil
}

var fiveFields = cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow)

const cronForms = `write minute, hour, day of month, month and day of week, as in "0 3 * * *", or @every 10m`

func parseCron(text string, zone *time.Location) (clock, error) {
	if text == "" {
		return nil, errors.New("required: " + cronForms)
	}
	if period, ok := strings.CutPrefix(text, "@every "); ok {
		return parseEvery(period)
	}
	return parseFields(text, zone)
}

func parseFields(text string, zone *time.Location) (clock, error) {
	// The library reads a time zone before an "=" and does not survive all of its misspellings.
	fields := strings.Fields(text)
	if len(fields) != 5 || strings.ContainsAny(text, "@=") {
		return nil, fmt.Errorf("%.100q is not five fields: %s", text, cronForms)
	}
	spec, err := fiveFields.Parse(strings.Join(fields, " "))
	if err != nil {
		return nil, fmt.Errorf("%.100q: %w: %s", text, err, cronForms)
	}
	named, ok := spec.(*cron.SpecSchedule)
	if !ok {
		return nil, fmt.Errorf("%.100q is not five fields: %s", text, cronForms)
	}
	named.Location = time.UTC
	c := wallClock{named, zone}
	if _, ok := c.next(0); !ok {
		return nil, fmt.Errorf("%.100q never fires: there is no such day", text)
	}
	return c, nil
}

func parseEvery(period string) (clock, error) {
	d, err := time.ParseDuration(period)
	if err != nil || d < time.Second || d > longest || d%time.Second != 0 {
		return nil, fmt.Errorf("@every %.100s: write whole seconds, 1s to %s, as in @every 10m", period, short(longest))
	}
	return every(d / time.Second), nil
}
