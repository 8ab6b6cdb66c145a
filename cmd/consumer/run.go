package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/alecthomas/kong"
	"github.com/prometheus/client_golang/prometheus"

	"oprun.example/internal/otlp"
	"oprun.example/internal/proc"
	"oprun.example/internal/remote"
	"oprun.example/pkg/catalog"
	"oprun.example/pkg/jobs"
)

type runCommand struct {
	Catalog       string        `env:"OPRUN_CATALOG" default:"./jobs.yaml" placeholder:"FILE" help:"The job catalogue. Default: ${default}."`
	Types         []string      `placeholder:"TYPE" help:"Run these job types only, through the consumer that topology apply --types makes. Default: all."`
	Concurrency   int           `env:"OPRUN_CONCURRENCY" default:"1024" placeholder:"N" help:"Jobs in hand at once. Default: ${default}."`
	DrainTimeout  time.Duration `env:"OPRUN_DRAIN_TIMEOUT" default:"25s" help:"How long running jobs may go on after SIGTERM. Default: ${default}."`
	Retention     proc.Age      `env:"OPRUN_RETENTION" default:"90d" placeholder:"DURATION" help:"How long runs that have ended are kept, longer than the stream keeps messages. Default: ${default}."`
	Workspace     string        `env:"OPRUN_WORKSPACE_ID" default:"${seed_workspace}" placeholder:"ID" help:"Home of system runs: a workspace, by id or by name. Default: ${default}, the seeded one."`
	NoSchedules   bool          `help:"Leave it to other consumers to fire the schedules."`
	NoEvents      bool          `env:"OPRUN_NO_EVENTS" help:"Tell nobody over NATS of runs that have ended."`
	AuditEvery    time.Duration `env:"OPRUN_AUDIT_EVERY" default:"10m" placeholder:"DURATION" help:"How often to compare what the consumer has passed with the ledger; below 0: never. Default: ${default}."`
	MetricsListen string        `env:"OPRUN_METRICS_LISTEN" default:":9464" placeholder:"ADDRESS" help:"Where /metrics, /healthz and /readyz answer; port 0 takes a free one. Default: ${default}."`

	shadowFlags `group:"Instead, play a record:"`
}

// Help is the longer text of --help.
func (*runCommand) Help() string {
	return "The catalogue's handlers (http and exec) are run; a type without one needs a worker in Go, and --types here. " +
		"SIGTERM or Ctrl-C drains: nothing more is taken, running jobs finish; a second signal ends the process at once."
}

// Run works until it is asked to stop.
func (c *runCommand) Run(ctx context.Context, line *kong.Context, a *app) error {
	topology := a.topology(c.Types)
	if err := errors.Join(c.validate(), c.shadowFlags.validate(proc.OnCommandLine(line, "stream")), topology.Validate()); err != nil {
		return misuse("run", "%w", err)
	}
	if c.Shadow != "" {
		return c.playShadow(ctx, a)
	}
	declared, err := loadCatalog(c.Catalog)
	if err != nil {
		return err
	}
	mux, err := handlers(declared, c.Types, a.log)
	if err != nil {
		return err
	}
	tracer, stop, err := otlp.Start(ctx, "oprun-consumer", a.log)
	if err != nil {
		return err
	}
	defer stop()
	a.tracer = tracer
	s := &service{app: a, command: c, topology: topology, catalog: declared, mux: mux, registry: prometheus.NewRegistry(), away: jobs.LedgerAway()}
	return s.run(ctx)
}

func (c *runCommand) validate() error {
	const most = 65_536 // the stream hands out no more
	switch {
	case c.Concurrency < 1 || c.Concurrency > most:
		return fmt.Errorf("--concurrency %d: write 1 to %d", c.Concurrency, most)
	case c.DrainTimeout <= 0:
		return fmt.Errorf("--drain-timeout %s: write a duration above 0, as in 25s", c.DrainTimeout)
	case c.Retention <= 0:
		return fmt.Errorf("--retention %s: write a duration above 0, as in 90d", time.Duration(c.Retention))
	}
	return nil
}

// loadCatalog reads the catalogue; its error says what is wrong in which line.
func loadCatalog(path string) (*catalog.Catalog, error) {
	declared, err := catalog.Load(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, &proc.Error{Code: proc.Usage, Err: err, Hint: "type: consumer run --catalog <file>, or export OPRUN_CATALOG=<file>"}
	case err != nil:
		return nil, &proc.Error{Code: proc.Usage, Err: fmt.Errorf("the catalogue cannot be used:\n%w", err), Hint: "mend the lines it names"}
	}
	return declared, nil
}

// handlers returns the handlers of these types, of all types when none is named.
func handlers(declared *catalog.Catalog, types []string, log *slog.Logger) (*jobs.Mux, error) {
	wanted := maps.Clone(declared.Handlers)
	maps.DeleteFunc(wanted, func(jobType string, _ catalog.Handler) bool {
		return len(types) > 0 && !slices.Contains(types, jobType)
	})
	mux := &jobs.Mux{}
	if err := remote.Register(mux, wanted, remote.Config{Logger: log}); err != nil {
		return nil, &proc.Error{Code: proc.Usage, Err: fmt.Errorf("the handlers cannot be used:\n%w", err), Hint: "mend them, or type: consumer run --types <types>"}
	}
	return mux, nil
}
