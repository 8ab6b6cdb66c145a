package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
)

// picks are the flags that say which messages are meant.
type picks struct {
	Subject   string      `group:"Which messages:" placeholder:"SUBJECT" help:"Published to this subject, which may have wildcards, as in 'jobs.tenant.*.assignments.>'."`
	Type      []string    `group:"Which messages:" placeholder:"TYPE" help:"Jobs of this type, or of these."`
	Tenant    []uuid.UUID `group:"Which messages:" placeholder:"ID" help:"Jobs of this tenant, by its external id, or of these."`
	Workspace []uuid.UUID `group:"Which messages:" placeholder:"ID" help:"Jobs of this workspace that belong to no tenant."`
	Since     moment      `group:"Which messages:" placeholder:"TIME" help:"Stored since: how long ago, as in 90m or 7d, or a time, as in 2026-01-31T15:04:05Z."`
	Until     moment      `group:"Which messages:" placeholder:"TIME" help:"Stored before, written like --since."`
	FromSeq   uint64      `group:"Which messages:" placeholder:"N" help:"From this sequence number on."`
	ToSeq     uint64      `group:"Which messages:" placeholder:"N" help:"Up to this sequence number."`
}

func (p *picks) validate() error {
	for _, jobType := range p.Type {
		if err := events.ValidType(jobType); err != nil {
			return fmt.Errorf("--type %s: %w", jobType, err)
		}
	}
	switch {
	case strings.ContainsAny(p.Subject, " \t\r\n"):
		return fmt.Errorf("--subject %q: a subject has no spaces", p.Subject)
	case p.ToSeq != 0 && p.ToSeq < p.FromSeq:
		return fmt.Errorf("--to-seq %d is before --from-seq %d", p.ToSeq, p.FromSeq)
	case !p.Until.IsZero() && !p.Until.After(p.Since.Time):
		return errors.New("--until is not after --since")
	}
	return nil
}

func (p *picks) filter(subjects events.Subjects) events.Filter {
	f := events.Filter{
		Types: p.Type, Subjects: subjects,
		Range: events.Range{FromSeq: p.FromSeq, ToSeq: p.ToSeq, Since: p.Since.Time, Until: p.Until.Time, Subject: p.Subject},
	}
	for _, id := range p.Tenant {
		f.Scopes = append(f.Scopes, dedupe.Tenant(id))
	}
	for _, id := range p.Workspace {
		f.Scopes = append(f.Scopes, dedupe.Workspace(id))
	}
	return f
}

// moment is a point in time: how long ago, as in 90m or 7d, or a time as in 2026-01-31T15:04:05Z.
type moment struct{ time.Time }

// UnmarshalText reads what a flag says.
func (m *moment) UnmarshalText(text []byte) error {
	if at, err := time.Parse(time.RFC3339, string(text)); err == nil {
		m.Time = at
		return nil
	}
	ago, err := time.ParseDuration(string(text))
	if digits, days := strings.CutSuffix(string(text), "d"); days {
		var n uint64
		n, err = strconv.ParseUint(digits, 10, 16)
		ago = time.Duration(n) * 24 * time.Hour
	}
	if err != nil || ago < 0 {
		return fmt.Errorf("%q is neither a duration, as in 90m or 7d, nor a time, as in 2026-01-31T15:04:05Z", text)
	}
	m.Time = time.Now().Add(-ago)
	return nil
}
