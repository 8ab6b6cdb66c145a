package jobs

import (
	"testing"
	"time"

	"oprun.example/pkg/catalog"
	"oprun.example/pkg/dedupe"
)

// What [catalog.Catalog.Changes] says of identities is what the ledger does: after a change that it calls one, the same
// job runs beside the run that is there, and after any other it joins it.
func TestChangedCataloguesOnOneLedger(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	const input = `{"key":"a","other":"b"}`
	older := testCatalog(t, testJob("key", "other"))
	ask := func(c *catalog.Catalog) Dispatched {
		return must(NewDispatcher(s.ledger, c, nil, DispatcherConfig{}).Dispatch(t.Context(), dedupe.Tenant(s.tenant), testType, []byte(input)))(t)
	}
	first := ask(older)
	wantRun(t, first, first.ID, true)

	active := 1
	for name, change := range map[string]func(*catalog.Job){
		"the order of inputs":    func(j *catalog.Job) { j.Identity = []string{"other", "key"} },
		"label, times and tries": func(j *catalog.Job) { j.Label, j.Timeout, j.Retry.MaxAttempts = "Other", time.Hour, 9 },
		"policy":                 func(j *catalog.Job) { j.Cooldown = time.Minute },
		"an input less":          func(j *catalog.Job) { j.Identity = []string{"key"} },
		"no inputs":              func(j *catalog.Job) { j.Identity = []string{} },
		"once":                   func(j *catalog.Job) { j.IdentityMode = dedupe.OnceMode },
	} {
		job := testJob("key", "other")
		change(&job)
		newer := testCatalog(t, job)
		said := len(newer.Changes(older)) > 0
		got := ask(newer)
		if got.Created != said || !said && got.ID != first.ID {
			t.Errorf("%s: called a change of identity: %t; a run of its own: %t", name, said, got.Created)
		}
		if got.Created {
			active++
		}
	}
	if n := s.count("select count(*) from oprun.operation_runs where completed_at is null"); n != active || n != 4 {
		t.Errorf("%d runs are active, want the first and three that do not know of it", n)
	}
}
