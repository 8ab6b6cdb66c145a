package catalog

import (
	"sort"
	"time"

	"github.com/robfig/cron/v3"
)

// clock says when a schedule fires, in seconds since the Unix epoch. Ok is false when it does not within five years.
type clock interface {
	next(after int64) (fire int64, ok bool)
	prev(last int64) (fire int64, ok bool) // at or before
}

// every fires at the multiples of so many seconds since the Unix epoch, whenever a process started.
type every int64

func (e every) next(after int64) (int64, bool) {
	fire, _ := e.prev(after)
	return fire + int64(e), true
}

func (e every) prev(last int64) (int64, bool) {
	n := int64(e)
	past := ((last % n) + n) % n // since the last multiple, before 1970 too
	return last - past, true
}

// wallClock fires at the times of day that five fields name, once each.
//
// Wall times are counted like instants, as the seconds to the same reading in UTC; the fields know no other zone. A
// wall time fires when the clock on the wall first reaches it or is put past it. So a time that is skipped fires right
// after the gap, one that is shown twice fires the first time, and fire times keep the order of their wall times.
type wallClock struct {
	fields *cron.SpecSchedule // in UTC
	zone   *time.Location
}

func (c wallClock) next(after int64) (int64, bool) {
	wall, ok := c.named(c.reached(after))
	if !ok {
		return 0, false
	}
	return c.instant(wall), true
}

func (c wallClock) prev(last int64) (int64, bool) {
	wall, ok := c.namedBy(c.reached(last))
	if !ok {
		return 0, false
	}
	return c.instant(wall), true
}

// named returns the first wall time after another that the fields name.
func (c wallClock) named(after int64) (int64, bool) {
	wall := c.fields.Next(time.Unix(after, 0).UTC())
	return wall.Unix(), !wall.IsZero()
}

// namedBy returns the last wall time, at or before another, that the fields name.
func (c wallClock) namedBy(last int64) (int64, bool) {
	const fiveYears = 5 * 366 * 24 * 3600
	namedAfter := func(second int64) bool { // and no later than last
		wall, ok := c.named(second)
		return ok && wall <= last
	}
	// The greatest second that is still followed by a named one is just before the last of them.
	back := int64(1)
	for !namedAfter(last - back) {
		if back *= 2; back > fiveYears {
			return 0, false
		}
	}
	low, high := last-back, last
	for high-low > 1 {
		if middle := low + (high-low)/2; namedAfter(middle) {
			low = middle
		} else {
			high = middle
		}
	}
	return c.named(low)
}

// offset is how far the zone is ahead of UTC at an instant.
func (c wallClock) offset(at int64) int64 {
	_, seconds := time.Unix(at, 0).In(c.zone).Zone()
	return int64(seconds)
}

// Zones lie within 16 hours of UTC, and put their clocks by 24 hours at most (those that crossed the date line); so
// two days around an instant hold all that matters to it. No zone changes twice within a step.
const (
	around = 48 * 3600
	step   = 4 * 3600
)

// reached returns the furthest wall time that the clock has shown by an instant. That is what it shows, unless it was
// put back of late. It never falls as the instant grows.
//
// Offsets are looked at step by step because [time.Time.ZoneBounds] is exact only near a change.
func (c wallClock) reached(at int64) int64 {
	offset := c.offset(at)
	furthest := at + offset
	for later := at; later > at-around; later -= step {
		before := c.offset(later - step)
		if before > offset { // the clock was put back in between: look where it stood
			kept := sort.Search(step, func(i int) bool { return c.offset(later-step+1+int64(i)) != before })
			furthest = max(furthest, later-step+int64(kept)+before)
		}
		offset = before
	}
	return furthest
}

// instant returns when a wall time is first reached.
func (c wallClock) instant(wall int64) int64 {
	if usual := wall - c.offset(wall); c.reached(usual) >= wall && c.reached(usual-1) < wall {
		return usual
	}
	first := wall - around
	return first + int64(sort.Search(2*around, func(i int) bool { return c.reached(first+int64(i)) >= wall }))
}
