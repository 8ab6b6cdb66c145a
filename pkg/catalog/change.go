package catalog

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"oprun.example/pkg/dedupe"
)

// Effect is what a change of a catalogue does to jobs.
type Effect string

// The effects, the gravest first.
const (
	IdentityChanges Effect = "identity" // the same job has another identity than before
	FiresChange     Effect = "fires"    // a schedule fires at other times, or under another name
	InputsChange    Effect = "inputs"   // something that was taken before is refused
)

// Change is one difference between two catalogues that matters to jobs that are there, or to those who send them.
type Change struct {
	Effect Effect
	Line   int    // in the newer catalogue; 0 when it has none
	Field  string // the path to the field, as in jobs[assignments.fetch].identity
	Was    string // the older value; empty: there was none
	Now    string // the newer value; empty: there is none
	Means  string // what it means for jobs that wait or run, and for those to come
}

// Changes returns what has changed since an older catalogue, in the order of types and schedules. What is not in it
// changes no identity: a request that was the same job as another still is, whatever labels, times, retries, handlers,
// policies and the order of lists say now. Of schemas it tells what is refused from now on where that can be told by
// comparing the top level; another schema may still take less than the older one.
func (c *Catalog) Changes(older *Catalog) []Change {
	d := &difference{older: older, newer: c}
	for _, jobType := range slices.Sorted(maps.Keys(older.Jobs)) {
		before := older.Jobs[jobType]
		if now, ok := c.Jobs[jobType]; ok {
			d.job(jobType, before, now)
		} else {
			d.goneJob(jobType, before)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(older.Schedules)) {
		before := older.Schedules[name]
		if now, ok := c.Schedules[name]; ok {
			d.schedule(name, before, now)
		} else {
			d.goneSchedule(name, before)
		}
	}
	return d.changes
}

// difference collects the changes between two catalogues.
type difference struct {
	older, newer *Catalog
	changes      []Change
}

func (d *difference) add(effect Effect, field, was, now, means string, args ...any) {
	d.changes = append(d.changes, Change{effect, d.newer.source.line(field), field, was, now, fmt.Sprintf(means, args...)})
}

// Both are active: said of every change after which a request does not find the run that it would have joined.
const bothActive = "a run that is queued or running keeps the identity that it has, and a request from now on has another and does not join it: both can be active at once"

func (d *difference) job(jobType string, before, now Job) {
	at := entry("jobs", jobType)
	if before.ScopeKind != now.ScopeKind {
		d.add(IdentityChanges, at+".scope", before.ScopeKind.String(), now.ScopeKind.String(),
			"its subjects are others, and messages on the older ones, those of queued runs too, become dead letters (type_unknown); %s", bothActive)
	}
	if was, is := inputs(before), inputs(now); was != is {
		d.add(IdentityChanges, at+".identity", was, is, "%s%s", bothActive, forgotten(before, now))
	}
	if before.IdentityMode != now.IdentityMode {
		d.add(IdentityChanges, at+".identity_mode", before.IdentityMode.String(), now.IdentityMode.String(), "%s%s", bothActive, forgotten(before, now))
	}
	d.event(at, jobType, before)
	d.inputs(at, before, now)
}

// inputs are the declared names of an identity as it is hashed: sorted.
func inputs(j Job) string {
	return "[" + strings.Join(slices.Sorted(slices.Values(j.Identity)), ", ") + "]"
}

// forgotten is what else a new identity means to types whose identities outlive their runs.
func forgotten(before, now Job) string {
	switch {
	case now.IdentityMode == dedupe.OnceMode:
		return "; what has run once under the older identity runs once more when it is asked for again"
	case before.Cooldown > 0 && now.Cooldown > 0:
		return "; a cooldown that has begun under the older identity holds nobody back"
	}
	return ""
}

// event tells of a name in CloudEvents that is none any more.
func (d *difference) event(at, jobType string, before Job) {
	if before.CEType == "" || before.CEType == jobType {
		return
	}
	if to, ok := d.newer.Alias(before.CEType); !ok || to != jobType {
		d.add(InputsChange, at+".ce_type", printable(before.CEType), printable(d.newer.Jobs[jobType].CEType), "CloudEvents that have the older name become dead letters (type_mismatch)")
	}
}

func (d *difference) goneJob(jobType string, before Job) {
	at := entry("jobs", jobType)
	const gone = "no worker that has the newer catalogue runs it: its messages, those of queued runs too, become dead letters (type_unknown)"
	if heir := d.heir(before); heir != "" {
		d.add(IdentityChanges, at, jobType, heir, "the type seems to have a new name, which is part of every identity and run id: %s; a request that is repeated under the new name is another request; of the older name, %s", bothActive, gone)
		return
	}
	d.add(IdentityChanges, at, jobType, "", "%s", gone)
}

// heir is the new type that declares what the old one declared, if there is one.
func (d *difference) heir(before Job) string {
	for _, jobType := range slices.Sorted(maps.Keys(d.newer.Jobs)) {
		now := d.newer.Jobs[jobType]
		if _, known := d.older.Jobs[jobType]; !known && before.ScopeKind == now.ScopeKind && before.IdentityMode == now.IdentityMode && inputs(before) == inputs(now) {
			return jobType
		}
	}
	return ""
}

func (d *difference) schedule(name string, before, now Schedule) {
	at := entry("schedules", name)
	const same = "a time that both name is one run, under whichever catalogue it fires; after the change a worker makes up for the latest time that it finds missed by the newer clock"
	if before.Type != now.Type {
		d.add(IdentityChanges, at+".type", before.Type, now.Type, "the type is part of a fire's identity: while workers have either catalogue, one fire time may run both")
	}
	if before.Cron != now.Cron {
		d.add(FiresChange, at+".cron", before.Cron, now.Cron, same)
	}
	if was, is := zone(before), zone(now); was != is {
		d.add(FiresChange, at+".time_zone", was, is, same)
	}
}

func zone(s Schedule) string {
	if s.TimeZone == "" {
		return "UTC"
	}
	return s.TimeZone
}

func (d *difference) goneSchedule(name string, before Schedule) {
	at := entry("schedules", name)
	for _, other := range slices.Sorted(maps.Keys(d.newer.Schedules)) {
		now := d.newer.Schedules[other]
		if _, known := d.older.Schedules[other]; !known && before.Type == now.Type && before.Cron == now.Cron && zone(before) == zone(now) {
			d.add(IdentityChanges, at, name, other, "the schedule seems to have a new name, which is part of a fire's identity: while workers have either catalogue, one fire time runs twice; under the new name it begins with its next time")
			return
		}
	}
	d.add(FiresChange, at, name, "", "it fires no more; runs that it has made go on")
}
