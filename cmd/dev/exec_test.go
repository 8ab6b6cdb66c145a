package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"

	"oprun.example/internal/proc"
)

// What it finds in its databases, the examples show.
func TestExec(t *testing.T) {
	t.Parallel()
	t.Run("the command has the stack's addresses, and its exit code is passed on", func(t *testing.T) {
		t.Parallel()
		var out, stderr bytes.Buffer
		err := run(t.Context(), []string{"exec", "--", "sh", "-c", `echo "$DATABASE_URL $NATS_URL"; exit 7`}, streams{&out, &stderr})
		if ended, ok := errors.AsType[*proc.Error](err); !ok || ended.Code != 7 {
			t.Errorf("ended with %v\n%s", err, &stderr)
		}
		if got := out.String(); !bytes.HasPrefix(out.Bytes(), []byte("postgres")) || !bytes.Contains(out.Bytes(), []byte(" nats://127.0.0.1:")) {
			t.Errorf("the command saw %q", got)
		}
	})
	t.Run("one that is asked to stop ends as it likes", func(t *testing.T) {
		t.Parallel()
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		err := run(ctx, []string{"exec", "--", "sh", "-c", `trap 'exit 0' INT; echo ready; while :; do sleep 0.1; done`}, streams{stopper(stop), io.Discard})
		if err != nil {
			t.Errorf("ended with %v", err)
		}
	})
	t.Run("without a command it says how to give one", func(t *testing.T) {
		t.Parallel()
		err := run(t.Context(), []string{"exec", "--"}, streams{io.Discard, io.Discard})
		if ended, ok := errors.AsType[*proc.Error](err); !ok || ended.Code != proc.Usage || ended.Hint == "" {
			t.Errorf("ended with %v", err)
		}
	})
}

// stopper is an output whose first line asks everything to stop.
type stopper func()

func (s stopper) Write(line []byte) (int, error) {
	s()
	return len(line), nil
}
