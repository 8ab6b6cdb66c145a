package jobs

import (
	"context"
	"strings"
	"testing"

	"oprun.example/pkg/catalog"
	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
)

func TestBuiltinTypes(t *testing.T) {
	t.Parallel()

	t.Run("are nobody else's to handle", func(t *testing.T) {
		t.Parallel()
		mux := writing()
		Handle(mux, catalog.DeleteExpiredRuns, func(context.Context, *Job[struct{}]) error { return nil })
		_, err := NewWorker(nil, nil, testCatalog(t, testJob("key")), mux, Config{})
		if err == nil || !strings.Contains(err.Error(), catalog.DeleteExpiredRuns) {
			t.Errorf("a handler for a built-in type: %v", err)
		}
	})

	t.Run("have adapters only for types that are declared", func(t *testing.T) {
		t.Parallel()
		_, err := NewWorker(nil, nil, testCatalog(t, testJob("key")), writing(), Config{Adapters: map[string]Adapter{"test.typo": allGone{}}})
		if err == nil || !strings.Contains(err.Error(), "test.typo") {
			t.Errorf("an adapter for a type that nobody declares: %v", err)
		}
	})

	t.Run("are not run by a worker of some types, unless it names them", func(t *testing.T) {
		t.Parallel()
		w := must(NewWorker(nil, nil, testCatalog(t, testJob("key")), writing(), Config{Types: []string{testType}}))(t)
		if len(w.specs) != 1 {
			t.Errorf("a worker of one type runs %d", len(w.specs))
		}
		named := must(NewWorker(nil, nil, testCatalog(t, testJob("key")), &Mux{}, Config{Types: []string{catalog.DeleteExpiredRuns}}))(t)
		if len(named.specs) != 1 {
			t.Errorf("a worker that names one built-in type runs %d", len(named.specs))
		}
	})

	t.Run("refuse what they do not understand", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		s.start(writing(), Config{})
		subject := events.Subjects{}.Subject(dedupe.Workspace(s.workspace), catalog.ReconcileAdapterRuns)
		for _, body := range []string{`{"dryrun":true}`, `{"types":[]}`, `{"limit":0}`, `{"tenants":["nobody"]}`} {
			must(s.js.Publish(t.Context(), subject, []byte(body)))(t)
		}
		s.eventually("all to be refused", func() bool {
			return s.count("select count(*) from oprun.dead_letters where reason = 'schema'") == 4
		})
	})
}
