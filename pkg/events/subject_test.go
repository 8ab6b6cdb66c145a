package events

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"oprun.example/pkg/dedupe"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for name, subjects := range map[string]Subjects{
		"the_default_prefix": {}, "another_prefix": {Prefix: "work"}, "a_prefix_of_two_words": {Prefix: "acme.jobs"},
	} {
		t.Run("reads_what_Subject_writes_with_"+name, func(t *testing.T) {
			t.Parallel()
			for _, scope := range []dedupe.Scope{tenant, dedupe.Workspace(tenantID)} {
				gotScope, gotType, err := subjects.Parse(subjects.Subject(scope, fetchType))
				if err != nil || gotScope != scope || gotType != fetchType {
					t.Errorf("%v: got %v, %q, %v", scope, gotScope, gotType, err)
				}
			}
		})
	}
}

func TestParse_refuses(t *testing.T) {
	t.Parallel()
	const id = "6f9619ff-8b86-4d01-b42d-00cf4fc964e1"
	for name, subject := range map[string]string{
		"nothing":                     "",
		"the_prefix_alone":            "jobs",
		"another_prefix":              "job.tenant." + id + ".a.b",
		"a_prefix_that_goes_on":       "jobsx.tenant." + id + ".a.b",
		"another_scope":               "jobs.system." + id + ".a.b",
		"a_scope_in_upper_case":       "jobs.Tenant." + id + ".a.b",
		"no_id":                       "jobs.tenant",
		"an_id_in_upper_case":         "jobs.tenant." + strings.ToUpper(id) + ".a.b",
		"an_id_without_hyphens":       "jobs.tenant." + strings.ReplaceAll(id, "-", "") + ".a.b",
		"an_id_in_braces":             "jobs.tenant.{" + id + "}.a.b",
		"an_id_as_urn":                "jobs.tenant.urn:uuid:" + id + ".a.b",
		"an_id_that_is_no_UUID":       "jobs.tenant.contoso.a.b",
		"no_type":                     "jobs.tenant." + id,
		"an_empty_type":               "jobs.tenant." + id + ".",
		"a_type_of_one_word":          "jobs.tenant." + id + ".fetch",
		"a_type_of_seven_words":       "jobs.tenant." + id + ".a.b.c.d.e.f.g",
		"a_wildcard":                  "jobs.tenant." + id + ".a.*",
		"a_full_wildcard":             "jobs.tenant." + id + ".a.>",
		"a_scope_of_another_spelling": "jobs.tenant .x." + id + ".a.b",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if scope, jobType, err := (Subjects{}).Parse(subject); err == nil {
				t.Errorf("got %v, %q", scope, jobType)
			}
		})
	}
}

// Not parallel: it counts the allocations of the whole process.
func TestParse_allocates_nothing(t *testing.T) { //nolint:paralleltest // see above
	subjects := Subjects{Prefix: "acme.jobs"}
	subject := subjects.Subject(tenant, fetchType)
	if n := testing.AllocsPerRun(100, func() { _, _, _ = subjects.Parse(subject) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestValidType(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", MaxTypeLength-2)
	for _, jobType := range []string{"a.b", "assignments.fetch_all", "a1.b_2.c.d.e.f", long + ".b"} {
		if err := ValidType(jobType); err != nil {
			t.Errorf("%q: %v", jobType, err)
		}
	}
	for _, jobType := range []string{
		"", "a", "a.", ".a", "a..b", "A.b", "a.B", "1a.b", "a.1b", "_a.b", "a._b", "a-b.c", "a b.c", "a.b.c.d.e.f.g",
		"a.ü", "a.b\n", "a.*", "a.>", "a.b\x00", long + ".bc",
	} {
		if err := ValidType(jobType); err == nil {
			t.Errorf("%q is taken", jobType)
		}
	}
}

func TestSubjects(t *testing.T) {
	t.Parallel()
	t.Run("filter_types_in_every_scope_sorted_and_once", func(t *testing.T) {
		t.Parallel()
		got := Subjects{}.Filter("b.c", "a.b", "b.c")
		if diff := cmp.Diff([]string{"jobs.*.*.a.b", "jobs.*.*.b.c"}, got); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("filter_nothing_without_types", func(t *testing.T) {
		t.Parallel()
		if got := (Subjects{}).Filter(); got != nil {
			t.Errorf("got %q", got)
		}
	})
	t.Run("tell_the_wildcard_of_all", func(t *testing.T) {
		t.Parallel()
		if got := (Subjects{Prefix: "work"}).All(); got != "work.>" {
			t.Errorf("got %q", got)
		}
	})
	t.Run("tell_terminal_events_outside_the_prefix", func(t *testing.T) {
		t.Parallel()
		want := "events.succeeded.tenant.6f9619ff-8b86-4d01-b42d-00cf4fc964e1.assignments.fetch"
		if got := (Subjects{}).Terminal("succeeded", tenant, fetchType); got != want {
			t.Errorf("got %q", got)
		}
		if got := (Subjects{Prefix: "work", Events: "work-events.eu"}).Terminal("*", tenant, fetchType); got != "work-events.eu."+strings.TrimPrefix(strings.Replace(want, "succeeded", "*", 1), "events.") {
			t.Errorf("with a prefix of its own got %q", got)
		}
	})
	t.Run("tell_wake_ups_outside_every_prefix", func(t *testing.T) {
		t.Parallel()
		if got := WakeSubject("JOBS"); got != "oprun.wake.JOBS" {
			t.Errorf("got %q", got)
		}
	})
	t.Run("refuse_a_prefix_that_is_no_plain_words_or_holds_terminal_events_or_wake_ups", func(t *testing.T) {
		t.Parallel()
		for _, prefix := range []string{"oprun", "oprun.wake", "events", "events.jobs", ".", "a.", "a.*", ">", "a b", "a..b", "jöbs", "$JS"} {
			if err := (Subjects{Prefix: prefix}).Validate(); err == nil {
				t.Errorf("%q is taken", prefix)
			}
		}
		for _, prefix := range []string{"", "jobs", "acme.events", "A-1_b.c"} {
			if err := (Subjects{Prefix: prefix}).Validate(); err != nil {
				t.Errorf("%q: %v", prefix, err)
			}
		}
	})
	t.Run("refuse_an_events_prefix_that_is_no_plain_words_or_holds_jobs_or_wake_ups", func(t *testing.T) {
		t.Parallel()
		for _, prefix := range []string{"oprun", "oprun.ends", "jobs", "jobs.ends", ".", "a.", "a.*", ">", "a b", "$SYS"} {
			if err := (Subjects{Events: prefix}).Validate(); err == nil {
				t.Errorf("%q is taken", prefix)
			}
		}
		for _, prefix := range []string{"", "events", "acme.ends"} {
			if err := (Subjects{Events: prefix}).Validate(); err != nil {
				t.Errorf("%q: %v", prefix, err)
			}
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add("jobs", fetchSubject)
	f.Add("acme.jobs", "acme.jobs.workspace.6f9619ff-8b86-4d01-b42d-00cf4fc964e1.a.b.c.d.e.f")
	f.Add("", "jobs.tenant..a.b")
	f.Fuzz(func(t *testing.T, prefix, subject string) {
		subjects := Subjects{Prefix: prefix}
		scope, jobType, err := subjects.Parse(subject)
		if err != nil {
			return
		}
		if err := ValidType(jobType); err != nil {
			t.Errorf("parsed type %q: %v", jobType, err)
		}
		if again := subjects.Subject(scope, jobType); again != subject {
			t.Errorf("%q parses as %q", subject, again)
		}
	})
}
