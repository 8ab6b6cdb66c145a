package proc

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
)

func TestInterruptible(t *testing.T) {
	t.Parallel()
	t.Run("reads_to_the_end", func(t *testing.T) {
		t.Parallel()
		got, err := io.ReadAll(Interruptible(t.Context(), strings.NewReader("one\ntwo\n")))
		if string(got) != "one\ntwo\n" || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
	})
	t.Run("ends_with_the_context_while_nothing_comes", func(t *testing.T) {
		t.Parallel()
		read, write, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := errors.Join(write.Close(), read.Close()); err != nil {
				t.Error(err)
			}
		})
		ctx, cancel := context.WithCancelCause(t.Context())
		in, why := Interruptible(ctx, read), errors.New("asked to stop")
		if _, err := write.WriteString("x"); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(in, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		cancel(why)
		if _, err := in.Read(make([]byte, 1)); !errors.Is(err, why) {
			t.Errorf("got %v, want %v", err, why)
		}
	})
}
