package main

import (
	"testing"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"oprun.example/internal/devstack"
)

// Where equal jobs are one, they are so by the same two fields in every system.
func TestRiverIsUniqueByTheTwoFields(t *testing.T) {
	t.Parallel()
	s := &stage{Database: devstack.EmptyDatabase(t)}
	if err := riverEmpty(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	pool, err := s.pool(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	client, err := river.NewClient(riverpgxv5.New(pool), riverConfig())
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []struct {
		args      Payload
		duplicate bool
	}{
		{payloadOf(1), false},
		{Payload{ConnectionID: "c-1", PolicyType: "compliance", N: 2}, true},
		{Payload{ConnectionID: "c-1", PolicyType: "another", N: 1}, false},
	} {
		inserted, err := client.Insert(t.Context(), riverArgs{want.args}, riverUnique.opts())
		if err != nil {
			t.Fatal(err)
		}
		if inserted.UniqueSkippedAsDuplicate != want.duplicate {
			t.Errorf("job %d is a duplicate: %t, want %t", i, inserted.UniqueSkippedAsDuplicate, want.duplicate)
		}
	}
}
