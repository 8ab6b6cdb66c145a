//go:build failpoint

package crash

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"oprun.example/internal/failpoint"
)

// consumer builds the command that is shipped, with the points in it, once for all stories of this process. TestMain
// removes it.
var consumer = sync.OnceValues(func() (path string, err error) {
	path = filepath.Join(os.TempDir(), fmt.Sprintf("oprun-crash-consumer-%d", os.Getpid()))
	out, err := exec.CommandContext(context.Background(), "go", "build", "-tags", "failpoint", "-o", path, "oprun.example/cmd/consumer").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
})

func removeConsumer() {
	_ = os.Remove(filepath.Join(os.TempDir(), fmt.Sprintf("oprun-crash-consumer-%d", os.Getpid())))
}

// consumerStories kill the command that is shipped, with one job in hand and its exec handler not begun or done: its
// effect, which is not in the run's transaction, is exactly one as well.
func consumerStories() map[string]story {
	found := map[string]story{}
	for _, point := range []failpoint.Point{failpoint.ClaimBefore, failpoint.ClaimAfter, failpoint.AckBefore} {
		found["consumer "+string(point)+" "+kills] = func(s *scene) { s.killConsumer(point) }
	}
	return found
}

func (s *scene) killConsumer(point failpoint.Point) {
	s.begin()
	s.publish(args{Key: "a"})
	effects := filepath.Join(s.t.TempDir(), "effects")
	s.consumer(effects, fault(point, kills)).strikes()
	s.consumer(effects, "")
	s.eventually("everything to be done", s.drained)
	s.stop()
	for run := range strings.FieldsSeq(string(must(os.ReadFile(effects))(s.t))) {
		s.exec("insert into effects values ($1, 1)", run)
	}
	s.end()
}

// consumer starts `consumer run` with an exec handler that writes its run's id into this file.
func (s *scene) consumer(effects, faults string) *process {
	s.t.Helper()
	declared := filepath.Join(s.t.TempDir(), "jobs.yaml")
	check(s.t, os.WriteFile(declared, fmt.Appendf(nil, `version: 1
jobs:
  %s:
    scope: tenant
    identity: [key]
    timeout: 1m
    lease: %s
    retry: {max_attempts: 20, initial: 10ms, max: 50ms}
handlers:
  %[1]s: {exec: ["sh", "-c", 'echo "$OPRUN_RUN_ID" >> "$0"', %[3]q]}
`, jobType, shortLease, effects), 0o600))
	cmd := exec.Command(must(consumer())(s.t), "run", "--catalog", declared)
	cmd.Env = append(os.Environ(), "OPRUN_METRICS_LISTEN=127.0.0.1:0")
	cmd.Env = append(cmd.Env, s.environment(faults)...)
	p := launch(s.t, cmd)
	s.workers = append(s.workers, p)
	return p
}
