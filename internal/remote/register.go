package remote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"slices"

	"oprun.example/pkg/catalog"
	"oprun.example/pkg/jobs"
)

// Config is what the handlers may be told. The zero value works.
type Config struct {
	// Logger is told of commands that had to be killed. Default slog.Default().
	Logger *slog.Logger

	// LookupEnv finds the variables in declarations, and the bearer tokens. Default os.LookupEnv.
	LookupEnv func(name string) (value string, ok bool)

	// Transport carries the requests of all types. Default: a transport for each type, with an idle connection for
	// each of its attempts, and without a proxy.
	Transport http.RoundTripper
}

func (c Config) withDefaults() Config {
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.LookupEnv == nil {
		c.LookupEnv = os.LookupEnv
	}
	return c
}

// runner runs one attempt outside the process. It returns when nothing of the attempt is left running here.
type runner func(ctx context.Context, work *jobs.Work) ending

// Register adds a handler for each declaration, by job type, and limits it to the declared concurrency. Pass the
// declarations as the catalogue holds them, and only those to be run: their variables are expanded here, and one that
// is not set is an error, as are a bearer token that is missing or empty, a command that is not there, and a type that
// the mux has a handler for. The error names everything that is wrong, and then nothing was added.
func Register(mux *jobs.Mux, handlers map[string]catalog.Handler, config Config) error {
	config = config.withDefaults()
	runners := make(map[string]runner, len(handlers))
	var problems []error
	for _, jobType := range slices.Sorted(maps.Keys(handlers)) {
		run, err := config.runner(mux, jobType, handlers[jobType])
		problems = append(problems, err)
		runners[jobType] = run
	}
	if err := errors.Join(problems...); err != nil {
		return err
	}
	for jobType, run := range runners {
		add(mux, jobType, run, handlers[jobType].Concurrency)
	}
	return nil
}

func add(mux *jobs.Mux, jobType string, run runner, concurrency int) {
	jobs.Handle(mux, jobType, func(ctx context.Context, job *jobs.Job[json.RawMessage]) error {
		return run(ctx, job.Work).tell(job.Work)
	})
	mux.Limit(jobType, concurrency)
}

// runner makes the runner of one declaration.
func (c Config) runner(mux *jobs.Mux, jobType string, declared catalog.Handler) (runner, error) {
	h, err := declared.Expand(c.LookupEnv)
	if err != nil {
		return nil, err // says where
	}
	var run runner
	switch {
	case slices.Contains(mux.Types(), jobType):
		err = errors.New("the type has a handler in Go: remove one of the two")
	case h.Concurrency < 1:
		err = errors.New("no concurrency: take the declaration from a catalogue, which completes it")
	case len(h.Exec) > 0:
		run, err = c.command(h)
	default:
		run, err = c.poster(h)
	}
	if err != nil {
		return nil, fmt.Errorf("handlers[%s]: %w", jobType, err)
	}
	return run, nil
}
