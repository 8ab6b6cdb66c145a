//go:build failpoint

package crash

import (
	"flag"
	"fmt"
	"io"
	"os"
	"testing"

	"oprun.example/internal/devstack"
)

// role in the environment makes the test binary another process, to be stopped or killed.
const role = "OPRUN_CRASH_TEST_ROLE"

// roles are what such a process does. It ends with its parent at the latest, whose end closes stdin.
var roles = map[string]func() error{"worker": beWorker, "broker": beBroker}

func TestMain(m *testing.M) {
	if be := roles[os.Getenv(role)]; be != nil {
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			os.Exit(1)
		}()
		if err := be(); err != nil {
			fmt.Fprintln(os.Stderr, os.Getenv(role)+" process:", err)
			os.Exit(1)
		}
		return
	}
	// These tests wait for leases and redeliveries more than they work.
	if err := flag.Set("test.parallel", "16"); err != nil {
		panic(err)
	}
	code := devstack.Run(m)
	removeConsumer()
	os.Exit(code)
}
