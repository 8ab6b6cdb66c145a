//go:build failpoint

package crash

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// What is shipped holds none of this: neither the variables' names nor those of the points are in the binary. This test's
// own binary has them all, so the words are the right ones.
func TestShippedBinaryHasNoFailpoints(t *testing.T) {
	t.Parallel()
	shipped := filepath.Join(t.TempDir(), "consumer")
	if out, err := exec.Command("go", "build", "-o", shipped, "oprun.example/cmd/consumer").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	plain, tagged := must(os.ReadFile(shipped))(t), must(os.ReadFile(os.Args[0]))(t)
	for _, word := range []string{"OPRUN_FAILPOINTS", "OPRUN_BREAK", "finish.before_commit", "ack_after_commit", "internal/failpoint.Hit"} {
		if bytes.Contains(plain, []byte(word)) {
			t.Errorf("the shipped binary holds %q", word)
		}
		if !bytes.Contains(tagged, []byte(word)) {
			t.Errorf("the binary of this test does not hold %q: the test looks for the wrong word", word)
		}
	}
}
