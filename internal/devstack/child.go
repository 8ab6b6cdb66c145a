package devstack

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// account is who runs Postgres, which refuses to run as root: the user postgres or nobody when we are root, else
// ourselves (nil credential).
type account struct {
	name       string
	credential *syscall.Credential
}

func serverAccount() (account, error) {
	if os.Geteuid() != 0 {
		return account{name: "the current user"}, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		if found, err := user.Lookup(name); err == nil {
			return accountOf(found)
		}
	}
	return account{}, fmt.Errorf("postgres does not run as root, and there is neither a user postgres nor a user nobody")
}

func accountOf(u *user.User) (account, error) {
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return account{}, fmt.Errorf("read the uid of %s: %w", u.Username, err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return account{}, fmt.Errorf("read the gid of %s: %w", u.Username, err)
	}
	return account{name: u.Username, credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, nil
}

// own makes path the account's.
func (a account) own(path string) error {
	if a.credential == nil {
		return nil
	}
	return os.Chown(path, int(a.credential.Uid), int(a.credential.Gid))
}

// child is a process that dies with us. done is closed once it is reaped; err may be read after that.
type child struct {
	pid  int
	done chan struct{}
	err  error
}

// startChild starts cmd as the account, in a process group of its own (a Ctrl-C at the terminal is ours to handle),
// with the signal that the kernel sends it when we die.
func startChild(cmd *exec.Cmd, as account, whenWeDie syscall.Signal) (*child, error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: as.credential}
	dieWithParent(cmd.SysProcAttr, whenWeDie)
	// What the child left running may hold its output open.
	cmd.WaitDelay = 5 * time.Second
	c := &child{done: make(chan struct{})}
	started := make(chan error)
	go func() {
		// The kernel ties that signal to the thread which started the child, not to the process. The thread is never
		// unlocked: it ends with this goroutine, which outlives the child.
		runtime.LockOSThread()
		err := cmd.Start()
		if err == nil {
			c.pid = cmd.Process.Pid
		}
		started <- err
		if err == nil {
			c.err = cmd.Wait()
			close(c.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return c, nil
}

// wait returns the end of the child, or kills it and its group when ctx ends first.
func (c *child) wait(ctx context.Context) error {
	select {
	case <-c.done:
		return c.err
	case <-ctx.Done():
		_ = syscall.Kill(-c.pid, syscall.SIGKILL)
		<-c.done
		return context.Cause(ctx)
	}
}

func (c *child) running() bool {
	select {
	case <-c.done:
		return false
	default:
		return true
	}
}

// logTail passes the output of a child on and keeps its end for error texts.
type logTail struct {
	to io.Writer

	mu  sync.Mutex
	end []byte
}

// Write never fails for want of a reader: a server whose log breaks would stop.
func (t *logTail) Write(text []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.end = append(t.end, text...)
	if extra := len(t.end) - 4096; extra > 0 {
		t.end = t.end[extra:]
	}
	if t.to != nil {
		_, _ = t.to.Write(text)
	}
	return len(text), nil
}

// String is the end of the log.
func (t *logTail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.TrimSpace(t.end))
}
