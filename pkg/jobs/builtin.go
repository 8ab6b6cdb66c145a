package jobs

import (
	"fmt"
	"maps"
	"slices"

	"oprun.example/pkg/catalog"
)

// builtins are the handlers of the job types that every catalogue has. A worker that runs all types runs these too, and
// one that runs some runs those that it names.
func (w *Worker) builtins(cat *catalog.Catalog, mux *Mux) (map[string]*handler, error) {
	for _, jobType := range mux.Types() {
		if cat.IsBuiltin(jobType) {
			return nil, fmt.Errorf("job type %s is built in, and has its handler: remove yours", jobType)
		}
	}
	for _, jobType := range slices.Sorted(maps.Keys(w.config.Adapters)) {
		if _, declared := cat.Jobs[jobType]; !declared {
			return nil, fmt.Errorf("there is an adapter for %s, and the catalogue declares no such job type", jobType)
		}
	}
	own := &Mux{}
	Handle(own, catalog.ReconcileAdapterRuns, w.reconcile)
	Handle(own, catalog.DeleteExpiredRuns, w.deleteExpired)
	return own.handlers, nil
}
