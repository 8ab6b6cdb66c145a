//go:build failpoint

package jobstest_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// Where the fence is switched off, a frozen worker's effects land beside those of its successor. A bench sees that.
func TestFreezeSeesABrokenFence(t *testing.T) {
	t.Parallel()
	for rule, story := range map[string]string{
		"fence":       "^TestFreeze$/^before_the_handler_with_Commit$",
		"group_fence": "^TestFreeze$/^before_the_commit_with_Queue$",
	} {
		t.Run(rule, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", story)
			cmd.Env = append(os.Environ(), "OPRUN_BREAK="+rule)
			said, err := cmd.CombinedOutput()
			if err == nil {
				t.Errorf("the story passed without the rule:\n%s", said)
			}
			for _, want := range []string{"the frozen attempt of run ", "was not refused", "there are 2 effects, want 1"} {
				if !strings.Contains(string(said), want) {
					t.Errorf("it does not say %q:\n%s", want, said)
				}
			}
		})
	}
}
