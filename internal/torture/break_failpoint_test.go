//go:build failpoint

package torture

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"oprun.example/internal/failpoint"
)

// A suite that cannot fail proves nothing: without any one rule of the protocol the torture is broken, and says so. The
// faults are those that the rule is there for.
func TestWithoutRule(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		rule   failpoint.Switch
		faults []string
		breach string // what the report must name, among others
		slow   string // a failpoint that gives the faults time to hit
	}{
		{failpoint.Fence, []string{"consumer frozen"}, "I2: run ", ""},
		{failpoint.GroupFence, []string{"consumer frozen"}, "I2: run ", "group.before=delay(50ms)"},
		{failpoint.Lease, []string{"consumer frozen", "stream purged"}, "I3: run ", ""},
		{failpoint.Sweeper, []string{"consumer killed", "stream made anew"}, "I4: run ", ""},
		{failpoint.AckAfterCommit, []string{"consumer killed", "postgres killed"}, "I10: message ", "claim.before=delay(250ms)"},
	} {
		t.Run(string(test.rule)+" is missed", func(t *testing.T) {
			var out bytes.Buffer
			config := small(t, &out)
			config.env = []string{"OPRUN_BREAK=" + string(test.rule), "OPRUN_FAILPOINTS=" + test.slow}
			config.faults = slices.DeleteFunc(slices.Clone(faults), func(f fault) bool { return !slices.Contains(test.faults, f.name) })
			config.Jobs, config.Faults, config.Gap, config.patience = 4000, 12, time.Second, 10*time.Second
			if err := Run(t.Context(), config); !errors.Is(err, ErrViolated) || !strings.Contains(out.String(), test.breach) {
				t.Errorf("%v, want a violation %q:\n%s", err, test.breach, out.String())
			}
		})
	}
}
