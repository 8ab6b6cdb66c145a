package devstack

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// actAs makes the test binary a process of its own, to be killed.
const actAs = "DEVSTACK_TEST_ACT_AS"

func TestMain(m *testing.M) {
	if act := os.Getenv(actAs); act != "" {
		acts[act]()
	}
	goleak.VerifyTestMain(Tests{M: m})
}

// acts never return: they wait for their killer, or for the end of their stdin.
var acts = map[string]func(){
	"own a folder": func() {
		dir, err := makeWorkdir("")
		must(err)
		fmt.Println(dir.path)
		waitForEndOfInput()
		_ = dir.remove()
	},
	"run postgres": func() {
		p, err := StartPostgres(context.Background(), PostgresConfig{})
		must(err)
		fmt.Println(p.dir.path)
		fmt.Println(p.server.pid)
		waitForEndOfInput()
		must(p.Close())
	},
}

func must(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func waitForEndOfInput() {
	_, _ = bufio.NewReader(os.Stdin).ReadString(0)
}

// actor is a running act.
type actor struct {
	cmd    *exec.Cmd
	stdout *bufio.Reader
}

// act starts an act that takes tmp for its temporary folder. It is killed after the test.
func act(t *testing.T, name, tmp string) *actor {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), actAs+"="+name, "TMPDIR="+tmp)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	a := &actor{cmd: cmd, stdout: bufio.NewReader(stdout)}
	t.Cleanup(a.kill)
	return a
}

// kill is kill -9, and waits for the end; a second call does nothing.
func (a *actor) kill() {
	_ = a.cmd.Process.Signal(syscall.SIGKILL)
	_ = a.cmd.Wait()
}

func (a *actor) line(t *testing.T) string {
	t.Helper()
	line, err := a.stdout.ReadString('\n')
	if err != nil {
		t.Fatalf("the actor said %q: %v", line, err)
	}
	return strings.TrimSpace(line)
}

// tempFolder is a temporary folder with a short name that every account may pass through, unlike t.TempDir.
func tempFolder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "devstack-test-") //nolint:usetesting // t.TempDir is closed to the server's account
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	return dir
}

func wantEmpty(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) > 0 {
		t.Errorf("left behind: %v", entries)
	}
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// eventually waits for a fact.
func eventually(t *testing.T, what string, fact func() bool) {
	t.Helper()
	retry := time.NewTicker(5 * time.Millisecond)
	defer retry.Stop()
	for deadline := time.Now().Add(30 * time.Second); !fact(); <-retry.C {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}
