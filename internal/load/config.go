package load

import (
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"

	"oprun.example/pkg/catalog"
	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
	"oprun.example/pkg/oprun"
)

// The bounds of a load. It ends at whichever comes first, its count or its time, and neither can be left open.
const (
	MaxCount      = 10_000_000
	MaxFor        = 24 * time.Hour
	MaxRate       = 1_000_000
	MaxDuplicates = 90
)

// Config says what to ask for. JS, Publisher, Catalog, Types and the scopes that they need are required.
type Config struct {
	JS        jetstream.JetStream
	Publisher *events.Publisher
	Catalog   *catalog.Catalog
	Ledger    *oprun.Ledger // nil: nobody is asked for verdicts

	Types     []string
	Tenants   []uuid.UUID // whose jobs those of tenant types are, by external id
	Workspace uuid.UUID   // whose those of workspace types are

	Count      int           // messages
	For        time.Duration // how long to send
	Rate       float64       // messages a second; 0: as fast as they are taken
	Duplicates int           // how many of 100 messages are duplicates of others
	Sizes      []int         // of inputs in bytes, taken by turns of chance; none: as they are
	Seed       uint64
	Template   string // of inputs: one JSON object, in which {{n}} is the job's number and {{uuid}} a UUID of its own
	Initiator  string

	// Wait is how long to wait for the ledger to have an end for every request; 0 asks once.
	Wait time.Duration

	// Progress is told about ten times a second how far it is; nil: nobody is.
	Progress func(sent int)
}

func (c Config) validate() error {
	switch {
	case c.Count < 1 || c.Count > MaxCount:
		return fmt.Errorf("count %d is not 1 to %d", c.Count, MaxCount)
	case c.For <= 0 || c.For > MaxFor:
		return fmt.Errorf("a time of %s is not above 0 and up to %s", c.For, MaxFor)
	case c.Rate < 0 || c.Rate > MaxRate:
		return fmt.Errorf("rate %g is not 0 to %d", c.Rate, MaxRate)
	case c.Duplicates < 0 || c.Duplicates > MaxDuplicates:
		return fmt.Errorf("duplicates %d is not 0 to %d per cent", c.Duplicates, MaxDuplicates)
	case len(c.Types) == 0:
		return errors.New("types: name one at least")
	}
	for _, size := range c.Sizes {
		if size < 2 || size > events.MaxInputBytes {
			return fmt.Errorf("size %d is not 2 to %d bytes", size, events.MaxInputBytes)
		}
	}
	return nil
}

// kind is a job type, and whose jobs of it are asked for.
type kind struct {
	name   string
	job    catalog.Job
	scopes []dedupe.Scope
}

func (c Config) kinds() (kinds []kind, err error) {
	for _, name := range c.Types {
		job, ok := c.Catalog.Jobs[name]
		k := kind{name: name, job: job}
		switch {
		case !ok:
			return nil, fmt.Errorf("types: the catalogue declares no job type %q", name)
		case job.ScopeKind == dedupe.WorkspaceScope && c.Workspace != uuid.Nil:
			k.scopes = []dedupe.Scope{dedupe.Workspace(c.Workspace)}
		case job.ScopeKind == dedupe.TenantScope:
			for _, id := range c.Tenants {
				k.scopes = append(k.scopes, dedupe.Tenant(id))
			}
		}
		if len(k.scopes) == 0 {
			return nil, fmt.Errorf("types: %s is a job of a %s, and no %[2]s is named", name, job.ScopeKind)
		}
		kinds = append(kinds, k)
	}
	return kinds, nil
}

// newPlan checks the config, and that every type takes what is made up for it.
func (c Config) newPlan() (*plan, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	kinds, err := c.kinds()
	if err != nil {
		return nil, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return nil, err
	}
	p := &plan{Config: c, id: id, kinds: kinds}
	for i := range kinds {
		if _, err := p.request(slot{kind: i, size: p.smallest()}); err != nil {
			return nil, &InputError{kinds[i].name, err}
		}
	}
	return p, nil
}

// InputError says that a type does not take what was made up for it.
type InputError struct {
	Type string
	Err  error
}

// Error names the type.
func (e *InputError) Error() string {
	return fmt.Sprintf("%s does not take the input that is made up for it: %s", e.Type, e.Err)
}

// Unwrap returns Err.
func (e *InputError) Unwrap() error { return e.Err }
