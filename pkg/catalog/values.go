package catalog

import (
	"strconv"
	"time"

	"go.yaml.in/yaml/v3"

	"oprun.example/pkg/dedupe"
)

// The fields of a job, a schedule and a handler: which key fills which field, read as what.

func (f field) job() Job {
	var j Job
	f.members(map[string]func(field){
		"label":             into(&j.Label, field.text),
		"scope":             into(&j.ScopeKind, parsed(dedupe.ParseScopeKind, "tenant or workspace")),
		"identity":          into(&j.Identity, field.texts),
		"identity_mode":     into(&j.IdentityMode, parsed(dedupe.ParseMode, "active, request or once")),
		"on_duplicate":      into(&j.OnDuplicate, parsed(parseOnDuplicate, "skip or follow_up")),
		"cooldown":          into(&j.Cooldown, field.duration),
		"schema":            into(&j.Schema, field.text),
		"ce_type":           into(&j.CEType, field.text),
		"timeout":           into(&j.Timeout, field.positive),
		"lease":             into(&j.Lease, field.positive),
		"retry":             into(&j.Retry, field.retry),
		"expected_duration": into(&j.ExpectedDuration, field.positive),
		"stale_after":       into(&j.StaleAfter, field.staleAfter),
		"counts":            into(&j.Counts, field.texts),
	})
	return j
}

func (f field) retry() (r Retry) {
	f.members(map[string]func(field){
		"max_attempts": into(&r.MaxAttempts, field.count),
		"initial":      into(&r.Initial, field.positive),
		"max":          into(&r.Max, field.positive),
	})
	return r
}

func (f field) staleAfter() (s StaleAfter) {
	f.members(map[string]func(field){
		"queued":  into(&s.Queued, field.positive),
		"running": into(&s.Running, field.positive),
	})
	return s
}

func (f field) schedule() (s Schedule) {
	f.members(map[string]func(field){
		"type":      into(&s.Type, field.text),
		"cron":      into(&s.Cron, field.text),
		"time_zone": into(&s.TimeZone, field.text),
		"input":     into(&s.Input, field.input),
	})
	return s
}

func (f field) handler() (h Handler) {
	f.members(map[string]func(field){
		"http":        into(&h.HTTP, field.text),
		"bearer_env":  into(&h.BearerEnv, field.text),
		"exec":        into(&h.Exec, field.texts),
		"concurrency": into(&h.Concurrency, field.count),
	})
	return h
}

func (f field) version() {
	if f.is(yaml.ScalarNode, "1") && (f.node.ShortTag() != "!!int" || f.node.Value != "1") {
		f.bad("%s is not known here: write 1", printable(f.node.Value))
	}
}

// into puts what read makes of a field into its place.
func into[T any](place *T, read func(field) T) func(field) {
	return func(f field) { *place = read(f) }
}

// parsed reads one of a few words.
func parsed[T any](parse func(string) (T, error), words string) func(field) T {
	return func(f field) T {
		if !f.is(yaml.ScalarNode, words) {
			var zero T
			return zero
		}
		value, err := parse(f.node.Value)
		if err != nil {
			f.bad("%.100q is unknown: write %s", f.node.Value, words)
		}
		return value
	}
}

func (f field) text() string {
	if !f.is(yaml.ScalarNode, "text") {
		return ""
	}
	if f.node.ShortTag() != "!!str" {
		f.bad("%s is not text: quote it", printable(f.node.Value))
	} else if f.node.Value == "" {
		f.bad("is empty: write text, or leave the key out")
	}
	return f.node.Value
}

// texts reads a list of text; an empty list is not nil.
func (f field) texts() []string {
	if !f.is(yaml.SequenceNode, "a list") {
		return nil
	}
	list := make([]string, len(f.node.Content))
	for i, node := range f.node.Content {
		one := f.item(i)
		if one.is(yaml.ScalarNode, "text") && node.ShortTag() != "!!str" {
			one.bad("%s is not text: quote it", printable(node.Value))
		}
		list[i] = node.Value
	}
	return list
}

// duration reads a time.Duration of zero or more.
func (f field) duration() time.Duration {
	if !f.is(yaml.ScalarNode, "a duration, as in 30s, 15m or 2h") {
		return 0
	}
	d, err := time.ParseDuration(f.node.Value)
	switch _, notANumber := strconv.ParseFloat(f.node.Value, 64); {
	case err != nil && notANumber == nil:
		f.bad("%s has no unit: write ms, s, m or h after it, as in 15m", printable(f.node.Value))
	case err != nil:
		f.bad("%.100q is no duration: write a number and ms, s, m or h, as in 1h30m", f.node.Value)
	case d < 0:
		f.bad("%s is negative: write a duration of 0s or more", printable(f.node.Value))
	}
	return d
}

// positive reads a duration that must be more than zero: a written zero would pass for a missing field.
func (f field) positive() time.Duration {
	d := f.duration()
	if d == 0 && !f.isUnread() {
		f.bad("must be longer than 0: write a duration, as in 15m, or leave the key out")
	}
	return d
}

// count reads a whole number of 1 or more.
func (f field) count() int {
	if !f.is(yaml.ScalarNode, "a whole number") {
		return 0
	}
	n, err := strconv.Atoi(f.node.Value)
	if err != nil || f.node.ShortTag() != "!!int" || n < 1 {
		f.bad("%.100q is no whole number of 1 or more", f.node.Value)
	}
	return n
}

func (f field) isUnread() bool {
	return len(f.unread) > 0 && f.unread[len(f.unread)-1] == f.path
}
