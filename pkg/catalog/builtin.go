package catalog

import (
	"embed"
	"maps"
	"slices"
	"sync"
	"time"

	"oprun.example/pkg/dedupe"
)

// The job types that every catalogue has without declaring them, each with a schedule of the same name. Workers run
// them in the process.
const (
	ReconcileAdapterRuns = "ops.reconcile_adapter_runs" // ends runs that the world has moved on from
	DeleteExpiredRuns    = "ops.delete_expired_runs"    // deletes runs that are past their retention
)

// builtinSchemas are the schemas of their inputs.
//
//go:embed builtin
var builtinSchemas embed.FS

// builtinJobs checks and completes them like any other job, once: compiling a schema takes its time. Their counts
// are those beside the standard ones, deleted and skipped.
var builtinJobs = sync.OnceValue(func() map[string]Job {
	declared := map[string]Job{
		ReconcileAdapterRuns: {Label: "Reconcile adapter runs", Counts: []string{"candidates", "reconciled"}},
		DeleteExpiredRuns:    {Label: "Delete expired runs", Counts: []string{"candidates"}},
	}
	r := new(report)
	for jobType, job := range declared {
		job.ScopeKind, job.Identity = dedupe.WorkspaceScope, []string{}
		job.Schema = "builtin/" + jobType + ".json"
		job.Timeout, job.Lease = 10*time.Minute, 30*time.Second
		declared[jobType] = r.job(jobType, job, builtinSchemas)
	}
	if err := r.err(); err != nil {
		panic("catalog: " + err.Error()) // no user can cause it, and every test that makes a catalogue would
	}
	return declared
})

// builtinSchedules are theirs, by name.
var builtinSchedules = map[string]Schedule{
	ReconcileAdapterRuns: {Type: ReconcileAdapterRuns, Cron: "@every 10m"},
	DeleteExpiredRuns:    {Type: DeleteExpiredRuns, Cron: "@every 1h"},
}

// IsBuiltin reports whether a job type is one that every catalogue has without declaring it. Nobody else's handler
// runs such a type, and nobody else's declaration changes it; its schedule can be declared anew.
func (*Catalog) IsBuiltin(jobType string) bool {
	_, ok := builtinJobs()[jobType]
	return ok
}

// builtins adds what every catalogue has: the types, and those of their schedules that the user has not replaced by
// one of the same name. It refuses a declaration of its own for what is built in.
func (r *report) builtins(c *Catalog, declared Catalog) {
	maps.Copy(c.Jobs, builtinJobs())
	for _, name := range slices.Sorted(maps.Keys(builtinSchedules)) {
		if _, ok := declared.Jobs[name]; ok {
			r.add(entry("jobs", name), "is built in: remove it; how often it runs can be said under schedules, by the same name")
		}
		if _, ok := declared.Handlers[name]; ok {
			r.add(entry("handlers", name), "is built in, the worker has its handler: remove it")
		}
		replacement, ok := declared.Schedules[name]
		switch {
		case !ok:
			c.Schedules[name] = r.schedule(name, builtinSchedules[name], c.Jobs)
		case replacement.Type != name && replacement.Type != "":
			r.breaks(entry("schedules", name)+".type", "%.100q takes the place of the built-in schedule of this name: write %s, or choose another name", replacement.Type, name)
		}
	}
}
