package remote

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// process is a command that was started: the leader of a process group, and whatever it starts within that.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed by launch's goroutine once the leader is reaped; err may be read after that
	err  error

	pipes          pipes
	copying        sync.WaitGroup // what goes through the pipes
	stdout, stderr tail           // to be read after wait
}

// start starts the command in a process group of its own, which the terminal's Ctrl-C does not reach, and feeds it
// the input. The caller must wait for it.
//
// The pipes are ours and not os/exec's, so that the end of the leader is seen even when something else holds them
// open.
func start(cmd *exec.Cmd, input []byte) (*process, error) {
	p := &process{cmd: cmd, done: make(chan struct{}), stdout: tail{limit: maxStdout}, stderr: tail{limit: maxStderr}}
	var err error
	if p.pipes, err = openPipes(); err != nil {
		return nil, err
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = p.pipes.far[0], p.pipes.far[1], p.pipes.far[2]
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	dieWithParent(cmd.SysProcAttr)
	err = p.launch()
	closeAll(p.pipes.far)
	if err != nil {
		closeAll(p.pipes.near)
		return nil, err
	}
	stdin, stdout, stderr := p.pipes.near[0], p.pipes.near[1], p.pipes.near[2]
	p.copying.Go(func() {
		_, _ = stdin.Write(input) // a command need not read it
		_ = stdin.Close()
	})
	p.copying.Go(func() { _, _ = io.Copy(&p.stdout, stdout) })
	p.copying.Go(func() { _, _ = io.Copy(&p.stderr, stderr) })
	return p, nil
}

// launch starts the leader in a goroutine that stays with it.
func (p *process) launch() error {
	started := make(chan error)
	go func() {
		// The death signal of dieWithParent comes when the thread that started the leader ends, not the process. The
		// thread is never unlocked: it ends with this goroutine, after the leader.
		runtime.LockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			p.err = p.cmd.Wait()
			close(p.done)
		}
	}()
	return <-started
}

// endedBy says what ended a process.
type endedBy uint8

const (
	ended      endedBy = iota // by itself
	terminated                // by SIGTERM after its context, or soon after that
	killed                    // by SIGKILL
)

// wait returns when the process is gone with all of its group: after the leader, when it ends by itself, and at the
// latest when the grace is over after the context has ended.
func (p *process) wait(ctx context.Context, grace time.Duration) endedBy {
	by := ended
	select {
	case <-p.done:
	case <-ctx.Done():
		if !p.isDone() {
			by = p.stop(grace)
		}
	}
	p.kill()
	<-p.done
	p.reap(0)
	p.collect()
	return by
}

func (p *process) isDone() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// stop asks the group to end, and waits until it has or the grace is over. A leader often ends before its children,
// as a shell does: their grace goes on.
func (p *process) stop(grace time.Duration) endedBy {
	_ = p.signal(syscall.SIGTERM)
	over := time.NewTimer(grace)
	defer over.Stop()
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for {
		select {
		case <-over.C:
			return killed
		case <-look.C:
			if p.isDone() && p.isEmpty() {
				return terminated
			}
		}
	}
}

// signal sends to the whole group, also when the leader has ended before the others. The id stays the group's for as
// long as anything in it lives; the id of an empty one could become a stranger's, but not in the milliseconds that
// pass here: the system hands ids out in turn.
func (p *process) signal(signal syscall.Signal) error {
	return syscall.Kill(-p.cmd.Process.Pid, signal)
}

// kill leaves nothing of the group, nor of a leader that has moved to another one.
func (p *process) kill() {
	_ = p.signal(syscall.SIGKILL)
	_ = p.cmd.Process.Kill()
}

// isEmpty tells whether nothing of the group is left, after its leader.
func (p *process) isEmpty() bool {
	p.reap(syscall.WNOHANG)
	return errors.Is(p.signal(0), syscall.ESRCH)
}

// reap takes leave of what the leader left behind, after its end: when we are the first process of a container, the
// system makes orphans our children, and those that have ended would stay zombies for ever. Otherwise there are none.
func (p *process) reap(options int) {
	for {
		pid, err := syscall.Wait4(-p.cmd.Process.Pid, nil, options, nil)
		if pid <= 0 && !errors.Is(err, syscall.EINTR) {
			return
		}
	}
}

// collect reads what is left in the pipes. What has left the group may hold them open, and is not waited for.
func (p *process) collect() {
	const patience = time.Second
	_ = p.pipes.near[0].Close()
	for _, output := range p.pipes.near[1:] {
		_ = output.SetReadDeadline(time.Now().Add(patience))
	}
	p.copying.Wait()
	closeAll(p.pipes.near)
}

// pipes are those of stdin, stdout and stderr: near are our ends, far the command's.
type pipes struct{ near, far [3]*os.File }

func openPipes() (pipes, error) {
	var p pipes
	for i := range p.near {
		var err error
		if p.near[i], p.far[i], err = os.Pipe(); err != nil {
			closeAll(p.near)
			closeAll(p.far)
			return pipes{}, err
		}
	}
	p.near[0], p.far[0] = p.far[0], p.near[0] // stdin flows the other way
	return p, nil
}

// closeAll closes what is open of these.
func closeAll(files [3]*os.File) {
	for _, file := range files {
		_ = file.Close()
	}
}
