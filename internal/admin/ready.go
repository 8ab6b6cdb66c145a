package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"oprun.example/pkg/oprun"
)

// maxReason bounds what /readyz tells of one failing check, in characters.
const maxReason = 300

// Check is one thing that has to be well before the process can do its work.
type Check struct {
	// Name is what the answer calls it: postgres.
	Name string
	// Ask returns nil when all is well. Its error is shown to anybody who can reach the port, so it must not hold
	// secrets. It should end with its context; one that does not is never asked twice at once.
	Ask func(ctx context.Context) error
}

// readiness answers /readyz.
type readiness struct {
	probes   []*probe
	patience time.Duration
}

func newReadiness(config MetricsConfig) *readiness {
	r := &readiness{patience: config.Patience}
	for _, check := range config.Ready {
		r.probes = append(r.probes, &probe{check: check, asking: make(chan struct{}, 1)})
	}
	return r
}

// ServeHTTP asks all checks at once and tells what each said.
func (r *readiness) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	ctx, cancel := context.WithTimeoutCause(request.Context(), r.patience, fmt.Errorf("no answer in %s", r.patience))
	defer cancel()
	faults := make([]error, len(r.probes))
	var asked sync.WaitGroup
	for i, p := range r.probes {
		asked.Go(func() { faults[i] = p.ask(ctx) })
	}
	asked.Wait()

	status, text := http.StatusOK, "ready\n"
	if errors.Join(faults...) != nil {
		status, text = http.StatusServiceUnavailable, "not ready\n"
	}
	answer(w, status, text+r.lines(faults))
}

func (r *readiness) lines(faults []error) string {
	var lines strings.Builder
	for i, p := range r.probes {
		word := "ok"
		if faults[i] != nil {
			word = oprun.OneLine(faults[i].Error(), maxReason)
		}
		fmt.Fprintf(&lines, "%s: %s\n", p.check.Name, word)
	}
	return lines.String()
}

// probe asks one check, once at a time: a database that swallows packets must not collect goroutines here.
type probe struct {
	check  Check
	asking chan struct{} // capacity 1, never closed: full while Ask runs
}

// ask returns what the check says, or the context's cause when it takes too long.
func (p *probe) ask(ctx context.Context) error {
	select {
	case p.asking <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("%w: it was asked before and has not answered", context.Cause(ctx))
	}
	said := make(chan error, 1) // one answer, also when nobody waits for it any more
	go func() {
		defer func() { <-p.asking }()
		said <- p.check.Ask(ctx)
	}()
	select {
	case err := <-said:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
