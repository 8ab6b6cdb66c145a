package main

import (
	"fmt"
	"strings"

	"github.com/google/uuid"

	"oprun.example/internal/proc"
	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
)

// picks are the flags that say which messages are meant.
type picks struct {
	Subject   string      `group:"Which messages:" placeholder:"SUBJECT" help:"Published to this subject, which may have wildcards, as in 'jobs.tenant.*.assignments.>'."`
	Type      []string    `group:"Which messages:" placeholder:"TYPE" help:"Jobs of this type, or of these."`
	Tenant    []uuid.UUID `group:"Which messages:" placeholder:"ID" help:"Jobs of this tenant, by its external id, or of these."`
	Workspace []uuid.UUID `group:"Which messages:" placeholder:"ID" help:"Jobs of this workspace that belong to no tenant."`
	Since     proc.Moment `group:"Which messages:" placeholder:"TIME" help:"Stored since: how long ago, as in 90m or 7d, or a time, as in 2026-01-31T15:04:05Z."`
	Until     proc.Moment `group:"Which messages:" placeholder:"TIME" help:"Stored before, written like --since."`
	FromSeq   uint64      `group:"Which messages:" placeholder:"N" help:"From this sequence number on."`
	ToSeq     uint64      `group:"Which messages:" placeholder:"N" help:"Up to this sequence number."`
}

func (p *picks) validate() error {
	for _, jobType := range p.Type {
		if err := events.ValidType(jobType); err != nil {
			return fmt.Errorf("--type %s: %w", jobType, err)
		}
	}
	if strings.ContainsAny(p.Subject, " \t\r\n") {
		return fmt.Errorf("--subject %q: a subject has no spaces", p.Subject)
	}
	return proc.ValidPart(p.FromSeq, p.ToSeq, p.Since, p.Until)
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
