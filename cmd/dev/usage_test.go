package main

import (
	"errors"
	"io"
	"testing"

	"oprun.example/internal/proc"
)

func TestDemoAndTortureRefuseToDoNothing(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"demo", "--jobs", "0"}, {"torture", "--jobs=-1"}, {"torture", "--faults=-1"}} {
		err := run(t.Context(), args, streams{io.Discard, io.Discard})
		if told, ok := errors.AsType[*proc.Error](err); !ok || told.Code != proc.Usage || told.Hint == "" {
			t.Errorf("%q: %v", args, err)
		}
	}
}
