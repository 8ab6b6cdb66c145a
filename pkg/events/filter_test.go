package events

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"oprun.example/pkg/dedupe"
)

func TestFilter(t *testing.T) {
	t.Parallel()
	other := dedupe.Tenant(uuid.MustParse("7f6b8f9e-52a5-4a5c-8b47-0d4d6a2f9a01"))
	home := dedupe.Workspace(uuid.MustParse("0b54d8f5-6f34-4d35-9f6a-0d3f5f6c7d02"))
	m := message(nil)
	for name, test := range map[string]struct {
		filter Filter
		want   bool
		reads  string // the subject that a stream is asked for
	}{
		"all":                              {Filter{}, true, ""},
		"its_type":                         {Filter{Types: []string{fetchType}}, true, "jobs.*.*." + fetchType},
		"another_type":                     {Filter{Types: []string{"a.b"}}, false, "jobs.*.*.a.b"},
		"one_of_two_types":                 {Filter{Types: []string{"a.b", fetchType}}, true, ""},
		"its_tenant":                       {Filter{Scopes: []dedupe.Scope{tenant}}, true, "jobs." + tenant.String() + ".>"},
		"another_tenant":                   {Filter{Scopes: []dedupe.Scope{other}}, false, "jobs." + other.String() + ".>"},
		"its_tenant_or_a_workspace":        {Filter{Scopes: []dedupe.Scope{home, tenant}}, true, ""},
		"its_tenant_and_type":              {Filter{Scopes: []dedupe.Scope{tenant}, Types: []string{fetchType}}, true, fetchSubject},
		"its_tenant_and_another_type":      {Filter{Scopes: []dedupe.Scope{tenant}, Types: []string{"a.b"}}, false, "jobs." + tenant.String() + ".a.b"},
		"its_subject":                      {Filter{Range: Range{Subject: fetchSubject}}, true, fetchSubject},
		"its_subject_by_wildcards":         {Filter{Range: Range{Subject: "jobs.tenant.*.assignments.>"}}, true, "jobs.tenant.*.assignments.>"},
		"a_subject_that_is_longer":         {Filter{Range: Range{Subject: fetchSubject + ".x"}}, false, fetchSubject + ".x"},
		"a_subject_that_is_shorter":        {Filter{Range: Range{Subject: "jobs.tenant.*.assignments"}}, false, "jobs.tenant.*.assignments"},
		"a_subject_with_more_to_come":      {Filter{Range: Range{Subject: fetchSubject + ".>"}}, false, fetchSubject + ".>"},
		"its_subject_and_another_type":     {Filter{Range: Range{Subject: "jobs.>"}, Types: []string{"a.b"}}, false, "jobs.>"},
		"from_its_number_to_its_number":    {Filter{Range: Range{FromSeq: 42, ToSeq: 42}}, true, ""},
		"from_the_next_number":             {Filter{Range: Range{FromSeq: 43}}, false, ""},
		"to_the_number_before":             {Filter{Range: Range{ToSeq: 41}}, false, ""},
		"since_its_time":                   {Filter{Range: Range{Since: stored}}, true, ""},
		"since_later":                      {Filter{Range: Range{Since: stored.Add(1)}}, false, ""},
		"until_its_time":                   {Filter{Range: Range{Until: stored}}, false, ""},
		"until_later":                      {Filter{Range: Range{Until: stored.Add(time.Nanosecond)}}, true, ""},
		"its_type_below_another_prefix":    {Filter{Types: []string{fetchType}, Subjects: Subjects{Prefix: "own.work"}}, false, "own.work.*.*." + fetchType},
		"a_subject_that_is_no_job_by_type": {Filter{Types: []string{"tenant.x"}}, false, "jobs.*.*.tenant.x"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := test.filter.Match(m); got != test.want {
				t.Errorf("match: %t", got)
			}
			if got := test.filter.Narrowed().Subject; got != test.reads {
				t.Errorf("a stream is asked for %q, want %q", got, test.reads)
			}
		})
	}
}
