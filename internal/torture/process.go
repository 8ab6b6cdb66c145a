package torture

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
)

// The parts of the torture that run in processes of their own, for Config.Self.
const (
	WorkerPart = "torture-worker"
	NATSPart   = "torture-nats"
)

// process is this program again, as one of the parts. Its standard input stays open until we are gone, and ends it
// then.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended and its output has been read
}

// launch starts a process. It outlives the context. Each line that it prints is heard, in one goroutine.
func launch(ctx context.Context, line, env []string, log io.Writer, hear func([]byte)) (*process, error) {
	cmd := exec.CommandContext(context.WithoutCancel(ctx), line[0], line[1:]...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stderr = log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a Ctrl-C is for us
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", line[len(line)-1], err)
	}
	p := &process{cmd: cmd, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			hear(lines.Bytes())
		}
		_ = in.Close()
		_ = cmd.Wait()
	}()
	return p, nil
}

// signal sends a signal; to a process that has ended it does nothing.
func (p *process) signal(s syscall.Signal) { _ = p.cmd.Process.Signal(s) }

func (p *process) running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// withParent returns a context that ends when our parent closes our standard input, or dies.
func withParent(ctx context.Context) context.Context {
	ctx, end := context.WithCancel(ctx)
	go func() {
		defer end()
		_, _ = io.Copy(io.Discard, os.Stdin)
	}()
	return ctx
}
