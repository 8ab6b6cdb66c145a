package jobstest

import (
	"strings"
	"testing"
)

// Outside of a test failures are printed, and all is given back all the same.
func TestDo(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	var order []string
	do(&out, func(t TB) {
		t.Cleanup(func() { order = append(order, "first") })
		t.Cleanup(func() { order = append(order, "last") })
		t.Errorf("%d effects", 2)
		fail := t.Fatalf
		fail("no servers")
		t.Errorf("not reached")
	})
	if got, want := out.String(), "2 effects\nno servers\n"; got != want {
		t.Errorf("it printed %q, want %q", got, want)
	}
	if got := strings.Join(order, " "); got != "last first" {
		t.Errorf("cleanups ran as %q", got)
	}
}
