//go:build !failpoint

package failpoint

import (
	"os/exec"
	"strings"
	"testing"
)

// Without the tag the compiler puts the empty bodies where they are called: nothing is left of them.
func TestPointsCostNothing(t *testing.T) {
	t.Parallel()
	report, err := exec.CommandContext(t.Context(), "go", "build", "-gcflags=-m", ".").CombinedOutput()
	if err != nil {
		t.Fatalf("go build: %v\n%s", err, report)
	}
	for _, function := range []string{"Hit", "Off", "Armed"} {
		if !strings.Contains(string(report), "can inline "+function+"\n") {
			t.Errorf("%s is not inlined:\n%s", function, report)
		}
	}
}

// The environment is not even read.
func TestPointsDoNothing(t *testing.T) {
	t.Setenv("OPRUN_FAILPOINTS", "claim.before=error")
	t.Setenv("OPRUN_BREAK", "fence")
	if err := Hit(ClaimBefore); err != nil {
		t.Error(err)
	}
	if Off(Fence) {
		t.Error("the fence is off")
	}
	if Armed(ClaimBefore) {
		t.Error("a point is armed")
	}
}

func BenchmarkHit(b *testing.B) {
	for b.Loop() {
		if err := Hit(ClaimBefore); err != nil || Off(Fence) {
			b.Fatal(err)
		}
	}
}
