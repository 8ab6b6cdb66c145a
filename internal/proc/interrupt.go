package proc

import (
	"context"
	"io"
)

// Interruptible is a reader whose Read ends when ctx does, with its cause, though that of a terminal or a pipe does not. What
// reads from it ends with the process, or when from does.
func Interruptible(ctx context.Context, from io.Reader) io.Reader {
	read, write := io.Pipe()
	context.AfterFunc(ctx, func() { write.CloseWithError(context.Cause(ctx)) })
	go func() {
		_, err := io.Copy(write, from)
		write.CloseWithError(err)
	}()
	return read
}
