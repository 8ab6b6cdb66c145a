package catalog_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"oprun.example/pkg/catalog"
)

// Whatever the bytes, Parse returns a catalogue or problems that each say where and what.
func FuzzParse(f *testing.F) {
	for _, file := range []string{"testdata/jobs.yaml", "testdata/wrong.yaml"} {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	for _, c := range problemCases {
		f.Add([]byte(c.text))
	}
	schemas := os.DirFS("testdata")
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := catalog.Parse("jobs.yaml", data, schemas)
		if err == nil {
			use(t, c)
			return
		}
		var problems catalog.Problems
		if c != nil || !errors.As(err, &problems) || len(problems) == 0 {
			t.Fatalf("catalogue %v, error %v", c, err)
		}
		for _, p := range problems {
			if p.File != "jobs.yaml" || p.Line < 0 || p.Text == "" || strings.Contains(p.String(), "\n") {
				t.Errorf("problem %+v", p)
			}
		}
	})
}

// use calls what a catalogue without problems must be able to do.
func use(t *testing.T, c *catalog.Catalog) {
	t.Helper()
	for jobType, job := range c.Jobs {
		_ = job.ValidateInput([]byte(`{"connection_id":1e999}`))
		if got, ok := c.Alias(jobType); !ok || got != jobType {
			t.Errorf("%s is an alias of %s", jobType, got)
		}
	}
	for name, s := range c.Schedules {
		moment := at(t, "2026-03-29T00:30:00Z")
		if next, prev := s.Next(moment), s.Prev(moment); !next.After(moment) || prev.After(moment) {
			t.Errorf("schedule %s fires at %s and %s around %s", name, prev, next, moment)
		}
	}
	for _, h := range c.Handlers {
		_, _ = h.Expand(func(string) (string, bool) { return "x", true })
	}
}
