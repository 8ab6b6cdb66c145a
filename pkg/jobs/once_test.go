package jobs

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"oprun.example/pkg/oprun"
)

// Two attempts of one run are never in one batch: the ledger's answer names the run.
func TestEachRunOnce(t *testing.T) {
	t.Parallel()
	x, y := uuid.New(), uuid.New()
	of := func(run uuid.UUID, number int) *attempt {
		return &attempt{number: number, hold: oprun.Hold{RunID: run}}
	}
	for name, test := range map[string]struct{ batch, each, again []*attempt }{
		"first attempts stay as they are":      {batch: []*attempt{of(x, 1), of(y, 1)}, each: []*attempt{of(x, 1), of(y, 1)}},
		"the second of one run waits":          {batch: []*attempt{of(x, 1), of(y, 1), of(x, 2)}, each: []*attempt{of(x, 1), of(y, 1)}, again: []*attempt{of(x, 2)}},
		"so does the first when it comes late": {batch: []*attempt{of(x, 2), of(x, 1)}, each: []*attempt{of(x, 2)}, again: []*attempt{of(x, 1)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			each, again := eachRunOnce(test.batch)
			named := func(list []*attempt) (names []any) {
				for _, a := range list {
					names = append(names, a.hold.RunID, a.number)
				}
				return names
			}
			if diff := cmp.Diff([][]any{named(test.each), named(test.again)}, [][]any{named(each), named(again)}); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
