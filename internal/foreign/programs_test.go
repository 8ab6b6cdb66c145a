package foreign

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"oprun.example/internal/devstack"
)

// built are our programs and the producer in Go, built once for all tests. TestMain removes the folder.
var built struct {
	once   sync.Once
	folder string
	err    error
}

func build() {
	if built.folder, built.err = os.MkdirTemp("", "oprun-foreign-"); built.err != nil {
		return
	}
	for name, folder := range map[string]string{"consumer": "cmd/consumer", "publisher": "cmd/publisher", "go-producer": "examples/go-producer"} {
		cmd := exec.Command("go", "build", "-o", filepath.Join(built.folder, name), ".")
		cmd.Dir = filepath.Join(root, folder)
		if said, err := cmd.CombinedOutput(); err != nil {
			built.err = errors.Join(built.err, fmt.Errorf("go build %s: %w\n%s", folder, err, said))
		}
	}
}

// programs is the folder of what was built.
func programs(t *testing.T) string {
	t.Helper()
	built.once.Do(build)
	check(t, built.err)
	return built.folder
}

// said is what a script wrote, and its exit code.
type said struct {
	out, err string
	code     int
}

// shell runs a script in a folder, as somebody who has the project's programs, Node and the addresses of this world.
func (w *world) shell(dir, script string, env ...string) said {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-eu", "-c", script)
	cmd.Dir, cmd.WaitDelay = dir, 5*time.Second
	cmd.Env = append(os.Environ(),
		"PATH="+programs(w.t)+string(os.PathListSeparator)+devstack.NodePath(w.t),
		"NATS_URL="+w.url, "DATABASE_URL="+w.database, "TENANT="+w.tenant.String(), "OPRUN_CONNECT_TIMEOUT=20s")
	cmd.Env = append(cmd.Env, env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		w.t.Fatalf("%s: %v", script, err)
	}
	return said{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// workplace is a folder like the project's, as far as the examples go.
func (w *world) workplace() string {
	w.t.Helper()
	dir := w.t.TempDir()
	check(w.t, os.MkdirAll(filepath.Join(dir, "examples/node-producer"), 0o750))
	for _, name := range []string{".npmrc", "package.json", "package-lock.json", "producer.mjs"} {
		copyFile(w.t, filepath.Join(nodeExample, name), filepath.Join(dir, "examples/node-producer", name))
	}
	copyFile(w.t, root+"/examples/go-producer/jobs.yaml", filepath.Join(dir, "jobs.yaml"))
	return dir
}

// as is the broker's address for one of its users.
func (w *world) as(user string) string {
	return "NATS_URL=" + strings.Replace(w.url, "nats://", "nats://"+user+":"+user+"@", 1)
}
