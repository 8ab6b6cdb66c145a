package main

import (
	"bytes"
	"errors"
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
	t.Run("without a command it says how to give one", func(t *testing.T) {
		t.Parallel()
		err := run(t.Context(), []string{"exec", "--"}, streams{new(bytes.Buffer), new(bytes.Buffer)})
		if ended, ok := errors.AsType[*proc.Error](err); !ok || ended.Code != proc.Usage || ended.Hint == "" {
			t.Errorf("ended with %v", err)
		}
	})
}
