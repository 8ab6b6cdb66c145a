package jobs

import (
	"oprun.example/pkg/catalog"
)

// builtins are the handlers of the job types that every catalogue has. Every worker that runs all types runs these too.
func (w *Worker) builtins() *Mux {
	mux := &Mux{}
	Handle(mux, catalog.ReconcileAdapterRuns, w.reconcile)
	Handle(mux, catalog.DeleteExpiredRuns, w.deleteExpired)
	return mux
}
