package main

import (
	"strings"
	"testing"

	"oprun.example/internal/devstack"
)

func TestATurnIsReal(t *testing.T) {
	t.Parallel()
	s := stage{Database: devstack.EmptyDatabase(t), Jobs: 10}
	if err := s.execute(t.Context(), createEffects+"; insert into effects (n, note) select i, '' from generate_series(1, 10) i"); err != nil {
		t.Fatal(err)
	}
	done := []string{countEffects, differentJobs}
	if err := check(t.Context(), s, done); err != nil {
		t.Errorf("all was done, and yet: %v", err)
	}
	if err := s.execute(t.Context(), "update effects set n = 2 where n = 1"); err != nil {
		t.Fatal(err)
	}
	if err := check(t.Context(), s, done); err == nil || !strings.Contains(err.Error(), "of 10 jobs 9 were done: "+differentJobs) {
		t.Errorf("one job had two effects, another none: %v", err)
	}
	if err := s.execute(t.Context(), "delete from effects where n = 10"); err != nil {
		t.Fatal(err)
	}
	if err := check(t.Context(), s, done); err == nil || !strings.Contains(err.Error(), "of 10 jobs 9 were done: "+countEffects) {
		t.Errorf("one job less: %v", err)
	}
}
