package catalog

import (
	"io/fs"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"oprun.example/pkg/dedupe"
)

const (
	maxNameLen  = 100
	maxAttempts = 1000
)

var (
	jobTypeForm  = regexp.MustCompile(`^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*){1,5}$`)
	countKeyForm = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
)

// job checks one declaration and completes it.
func (r *report) job(jobType string, j Job, schemas fs.FS) Job {
	at := entry("jobs", jobType)
	if len(jobType) > maxNameLen || !jobTypeForm.MatchString(jobType) {
		r.add(at, "%.100q is no job type: write 2 to 6 words of a-z, 0-9 and _, joined by dots, at most %d characters, as in assignments.fetch", jobType, maxNameLen)
	}
	if j.ScopeKind != dedupe.TenantScope && j.ScopeKind != dedupe.WorkspaceScope {
		r.breaks(at+".scope", "required: write tenant or workspace")
	}
	j = j.withDefaults(jobType)
	r.identity(at, j)
	r.policy(at, j)
	r.limits(at, j)
	r.counts(at+".counts", j.Counts)
	if j.Schema != "" {
		j.schema, j.schemaFiles = r.schema(at, j, schemas)
		r.secrets(at, j)
	}
	return j
}

func (r *report) identity(at string, j Job) {
	if j.Identity == nil {
		r.breaks(at+".identity", "required: name the inputs that make two jobs the same; [] means one active run per scope and type")
	}
	r.names(at+".identity", j.Identity, "input")
}

func (r *report) counts(at string, keys []string) {
	r.names(at, keys, "count")
	for i, key := range keys {
		if !countKeyForm.MatchString(key) || len(key) > maxNameLen {
			r.breaks(item(at, i), "%.100q is no summary key: write a-z, 0-9 and _, beginning with a letter", key)
		}
	}
}

// names checks a list of names: none empty, none twice.
func (r *report) names(at string, names []string, what string) {
	seen := map[string]bool{}
	for i, name := range names {
		field := item(at, i)
		if name == "" || !utf8.ValidString(name) {
			r.breaks(field, "is empty or not UTF-8: write the name of the %s", what)
		} else if seen[name] {
			r.breaks(field, "%.100q is named twice: remove one", name)
		}
		seen[name] = true
	}
}

// policy refuses declarations that contradict each other or could never have an effect.
func (r *report) policy(at string, j Job) {
	if j.IdentityMode > dedupe.OnceMode {
		r.breaks(at+".identity_mode", "%s is unknown: use active, request or once", j.IdentityMode)
	}
	if j.OnDuplicate > FollowUp {
		r.breaks(at+".on_duplicate", "%s is unknown: use skip or follow_up", j.OnDuplicate)
	}
	followUp, active := j.OnDuplicate == FollowUp, j.IdentityMode == dedupe.ActiveMode
	if followUp && j.Cooldown != 0 {
		r.breaks(at+".cooldown", "cooldown and follow_up contradict each other, one drops the request that the other keeps: remove one")
	}
	if !active && j.Cooldown != 0 {
		r.breaks(at+".cooldown", "has no effect in mode %s, where no identity runs twice: remove it, or use mode active", j.IdentityMode)
	}
	if !active && followUp {
		r.breaks(at+".on_duplicate", "follow_up has no effect in mode %s, where no identity runs twice: remove it, or use mode active", j.IdentityMode)
	}
}

func (r *report) limits(at string, j Job) {
	const shortest = time.Millisecond
	r.between(at+".cooldown", j.Cooldown, 0, longest)
	r.between(at+".timeout", j.Timeout, shortest, longest)
	r.between(at+".lease", j.Lease, 3*time.Second, 10*time.Minute)
	r.between(at+".retry.initial", j.Retry.Initial, shortest, longest)
	r.between(at+".retry.max", j.Retry.Max, j.Retry.Initial, longest)
	r.between(at+".expected_duration", j.ExpectedDuration, shortest, longest)
	r.between(at+".stale_after.queued", j.StaleAfter.Queued, shortest, 3*longest)
	r.between(at+".stale_after.running", j.StaleAfter.Running, shortest, 3*longest)
	if n := j.Retry.MaxAttempts; n < 1 || n > maxAttempts {
		r.breaks(at+".retry.max_attempts", "%d is out of range: use 1 to %d", n, maxAttempts)
	}
	if len(j.CEType) > 255 {
		r.breaks(at+".ce_type", "is longer than 255 bytes: shorten it")
	}
}

func (r *report) between(at string, d, least, most time.Duration) {
	switch {
	case d < least:
		r.breaks(at, "%s is too short: use %s to %s", short(d), short(least), short(most))
	case d > most:
		r.breaks(at, "%s is too long: use %s to %s", short(d), short(least), short(most))
	}
}

// short writes a duration as a catalogue does: 15m and not 15m0s.
func short(d time.Duration) string {
	s := strings.Replace(d.String(), "m0s", "m", 1)
	return strings.Replace(s, "h0m", "h", 1)
}
