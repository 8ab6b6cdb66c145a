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

// clock says when a schedule fires next. Fire times are whole seconds.
type clock interface {
	Next(after time.Time) time.Time
}

// Next returns the first fire time after t, in UTC; the zero time when there is none in five years.
//
// The five fields are read on the wall clock of the time zone: an hour that daylight saving skips does not fire, and
// one that it repeats fires twice.
func (s Schedule) Next(t time.Time) time.Time {
	if s.clock == nil { // not from a Catalog
		return time.Time{}
	}
	fire := s.clock.Next(t.UTC())
	if fire.IsZero() {
		return fire
	}
	return fire.UTC()
}

// Prev returns the last fire time at or before t, in UTC; the zero time when there is none in five years.
func (s Schedule) Prev(t time.Time) time.Time {
	const fiveYears = 5 * 366 * 24 * 3600
	last := t.Unix()
	firesAfter := func(second int64) bool { // and no later than t
		fire := s.Next(time.Unix(second, 0))
		return !fire.IsZero() && fire.Unix() <= last
	}
	// The greatest second that is still followed by a fire time is the one just before the last of them.
	back := int64(1)
	for !firesAfter(last - back) {
		if back *= 2; back > fiveYears {
			return time.Time{}
		}
	}
	low, high := last-back, last
	for high-low > 1 {
		if middle := low + (high-low)/2; firesAfter(middle) {
			low = middle
		} else {
			high = middle
		}
	}
	return s.Next(time.Unix(low, 0))
}

// every fires at the multiples of so many seconds since the Unix epoch, whenever a process started.
type every int64

// Next implements clock.
func (e every) Next(after time.Time) time.Time {
	n, now := int64(e), after.Unix()
	past := ((now % n) + n) % n // since the last multiple, before 1970 too
	return time.Unix(now-past+n, 0)
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
	inZone, ok := spec.(*cron.SpecSchedule)
	if !ok {
		return nil, fmt.Errorf("%.100q is not five fields: %s", text, cronForms)
	}
	inZone.Location = zone
	if inZone.Next(time.Unix(0, 0)).IsZero() {
		return nil, fmt.Errorf("%.100q never fires: there is no such day", text)
	}
	return inZone, nil
}

func parseEvery(period string) (clock, error) {
	d, err := time.ParseDuration(period)
	if err != nil || d < time.Second || d > longest || d%time.Second != 0 {
		return nil, fmt.Errorf("@every %.100s: write whole seconds, 1s to %s, as in @every 10m", period, short(longest))
	}
	return every(d / time.Second), nil
}
