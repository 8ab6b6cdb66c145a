package remote

import (
	"context"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// acts return the exit code.
var acts = map[string]func(*command) int{"worker": work, "first process": adopt}

// worker is a process that runs a script as its command.
func worker(act, text string, args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], append([]string{"sh", "-c", text}, args...)...)
	cmd.Env = append(os.Environ(), actAs+"="+act)
	cmd.Stderr = os.Stderr
	return cmd
}

// work runs a command and does not live to see its end.
func work(c *command) int {
	c.run(context.Background(), newWork("{}"))
	return 1
}

func TestCommandDiesWithTheWorker(t *testing.T) {
	t.Parallel()
	l := newLifeline(t)
	w := worker("worker", `exec 3>"$0"; echo ready >&3; exec sleep 1000`, l.path)
	check(t, w.Start())
	if said := l.line(); said != "ready" {
		t.Errorf("the command said %q", said)
	}
	check(t, w.Process.Kill())
	_ = w.Wait()
	l.drain()
}

// adopt runs a command with the orphans for children, as the first process of a container would, and fails when one
// of them stays.
func adopt(c *command) int {
	const setChildSubreaper = 36 // prctl(2)
	if _, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, setChildSubreaper, 1, 0); errno != 0 {
		return 2
	}
	ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
	defer cancel()
	began := time.Now()
	c.run(ctx, newWork("{}"))
	if time.Since(began) > c.grace {
		return 3
	}
	if _, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); err != syscall.ECHILD {
		return 4
	}
	return 0
}

func TestFirstProcessOfAContainerKeepsNoZombies(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"of a command that ends":       `(sleep 1000 & sleep 1000) & exit 0`,
		"of a command that is stopped": `(sleep 1000 & sleep 1000) & sleep 1000`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check(t, worker("first process", text).Run())
		})
	}
}
