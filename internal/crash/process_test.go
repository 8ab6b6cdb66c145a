//go:build failpoint

package crash

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// process is a child of the test: a worker or a broker.
type process struct {
	t      testing.TB
	cmd    *exec.Cmd
	stdout *bufio.Reader
	stdin  io.Closer
	struck chan string   // the announcements of its faults; capacity 64, written by the reader of its log
	works  chan struct{} // closed by that reader when a worker has started
	ended  chan struct{} // closed by it at the end of the log
}

// patience is how long a fact is waited for that has to come, on a crowded machine.
const patience = time.Minute

// spawn starts this very test binary in a role; it is killed after the test at the latest.
func spawn(t testing.TB, as string, environment ...string) *process {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), role+"="+as), environment...)
	return launch(t, cmd)
}

func launch(t testing.TB, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{t: t, cmd: cmd, struck: make(chan string, 64), works: make(chan struct{}), ended: make(chan struct{})}
	p.stdin = must(cmd.StdinPipe())(t)
	p.stdout = bufio.NewReader(must(cmd.StdoutPipe())(t))
	log := must(cmd.StderrPipe())(t)
	check(t, cmd.Start())
	go p.read(log)
	t.Cleanup(func() {
		p.signal(syscall.SIGKILL)
		<-p.ended
		_ = cmd.Wait()
	})
	return p
}

// read passes the process's log on to the test's, but for the announcements of faults.
func (p *process) read(log io.Reader) {
	defer close(p.ended)
	for lines := bufio.NewScanner(log); lines.Scan(); {
		fmt.Fprintf(p.t.Output(), "%d: %s\n", p.cmd.Process.Pid, lines.Text())
		if strings.Contains(lines.Text(), "worker started") {
			close(p.works)
		}
		if fault, ok := strings.CutPrefix(lines.Text(), "failpoint: "); ok {
			p.struck <- fault
		}
	}
}

// started waits until a worker process works, or has ended.
func (p *process) started() {
	p.t.Helper()
	select {
	case <-p.works:
	case <-p.ended:
	case <-time.After(patience):
		p.t.Fatalf("waited %s for the worker process to start", patience)
	}
}

// strikes waits until the process announces a fault, and with a kill or a stop until that has happened.
func (p *process) strikes() {
	p.t.Helper()
	select {
	case fault := <-p.struck:
		p.happens(fault)
	case <-p.ended:
		select {
		case fault := <-p.struck: // which was its end
			p.happens(fault)
		default:
			p.t.Fatalf("the process ended before its fault: %v", p.cmd.Wait())
		}
	case <-time.After(patience):
		p.t.Fatalf("waited %s for the process to come to its fault", patience)
	}
}

// happens waits until an announced kill or stop has happened.
func (p *process) happens(fault string) {
	p.t.Helper()
	switch {
	case strings.HasSuffix(fault, ": kill"):
		p.wantKilled()
	case strings.HasSuffix(fault, ": stop"):
		var status syscall.WaitStatus
		if _, err := syscall.Wait4(p.cmd.Process.Pid, &status, syscall.WUNTRACED, nil); err != nil || !status.Stopped() {
			p.t.Fatalf("the process is in state %x (%v), want it stopped", status, err)
		}
	}
}

// wantKilled waits for the end of the process, which must be by SIGKILL.
func (p *process) wantKilled() {
	p.t.Helper()
	<-p.ended
	var exit *exec.ExitError
	if err := p.cmd.Wait(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		p.t.Fatalf("the process ended with %v, want it killed", err)
	}
}

func (p *process) signal(signal syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Fatal(err)
	}
}

// kill is kill -9, from outside.
func (p *process) kill() {
	p.t.Helper()
	p.signal(syscall.SIGKILL)
	p.wantKilled()
}

// cont lets a frozen process go on.
func (p *process) cont() {
	p.t.Helper()
	p.signal(syscall.SIGCONT)
}

// end lets a process that was frozen go on, asks it to stop, and waits until it has: whatever it still had in hand is
// handed in by then.
func (p *process) end() error {
	p.t.Helper()
	p.cont()
	p.started()
	p.signal(syscall.SIGTERM)
	select {
	case <-p.ended:
		return p.cmd.Wait()
	case <-time.After(patience):
		return fmt.Errorf("it did not stop in %s", patience)
	}
}

func must[T any](value T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		check(t, err)
		return value
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
