package main

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"oprun.example/internal/proc"
	"oprun.example/pkg/events"
)

type topologyCommands struct {
	Plan  topologyPlanCommand  `cmd:"" help:"Show what apply would change. It changes nothing."`
	Apply topologyApplyCommand `cmd:"" help:"Make the stream and the consumer as these flags say. What they do not name stays as it is."`
}

type topologyPlanCommand struct{ topologyFlags }

type topologyApplyCommand struct {
	topologyFlags
	Dev   bool `help:"For a server of your own: allows a stream without --max-bytes."`
	Force bool `help:"Make also the changes that may lose jobs."`
}

// topologyFlags say how the stream and the consumer should be; their names are among the settings.
type topologyFlags struct {
	MaxBytes      byteSize      `placeholder:"SIZE" help:"Size of the stream, as in 10GiB; full, it refuses new jobs. Required, but for --dev."`
	Replicas      int           `placeholder:"N" help:"1, 3 or 5. Default: 3 in a cluster, 1 on a single server."`
	MaxAge        proc.Age      `default:"${max_age}" placeholder:"DURATION" help:"How long a message is kept, as in 36h or 14d. Default: ${default}."`
	AckWait       time.Duration `default:"${ack_wait}" help:"When a delivery that nobody acknowledges comes again. Default: ${default}."`
	MaxAckPending int           `default:"${max_ack_pending}" placeholder:"N" help:"How many deliveries may be unacknowledged, running jobs among them. Default: ${default}."`
	Types         []string      `placeholder:"TYPE" help:"Make a consumer for these job types alone, for run --types. Default: all types."`
}

// Run shows the plan.
func (c *topologyPlanCommand) Run(ctx context.Context, a *app) error {
	return a.withTopology(ctx, c.topologyFlags, func(js jetstream.JetStream, topology events.Topology) error {
		plan, err := topology.Plan(ctx, js)
		if err != nil {
			return err
		}
		if c.MaxBytes == 0 {
			a.log.Info("apply will ask for --max-bytes")
		}
		return printPlan(a, plan)
	})
}

// Run applies the topology and shows what it changed.
func (c *topologyApplyCommand) Run(ctx context.Context, a *app) error {
	if c.MaxBytes == 0 && !c.Dev {
		return &proc.Error{
			Code: proc.Usage,
			Err:  errors.New("topology apply: without --max-bytes the stream could fill the disk that it shares with others"),
			Hint: "type: consumer topology apply --max-bytes 10GiB, or --dev on a server of your own",
		}
	}
	return a.withTopology(ctx, c.topologyFlags, func(js jetstream.JetStream, topology events.Topology) error {
		plan, err := topology.Apply(ctx, js, c.Force)
		if err != nil {
			return err
		}
		return printPlan(a, plan)
	})
}

// withTopology runs do with a connection and the topology of the flags.
func (a *app) withTopology(ctx context.Context, flags topologyFlags, do func(jetstream.JetStream, events.Topology) error) error {
	topology, err := flags.topology(a.settings)
	if err != nil {
		return err
	}
	js, conn, err := a.jetStream(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if flags.Replicas == 0 {
		topology.Replicas = usualReplicas(conn)
	}
	return explainTopology(ctx, do(js, topology))
}

func (f topologyFlags) topology(s *settings) (events.Topology, error) {
	t := s.topology(f.Types)
	t.MaxBytes, t.MaxAge, t.AckWait, t.MaxAckPending = int64(f.MaxBytes), time.Duration(f.MaxAge), f.AckWait, f.MaxAckPending
	if f.Replicas != 0 {
		t.Replicas = f.Replicas
	}
	if err := t.Validate(); err != nil {
		return t, misuse("topology apply", "%w", err)
	}
	return t, nil
}

// usualReplicas is what a stream of jobs should have on this server: a single one cannot hold more than one.
func usualReplicas(conn *nats.Conn) int {
	if conn.ConnectedClusterName() == "" {
		return 1
	}
	return 3
}

var changeColumns = []column[events.Change]{
	{"OBJECT", func(c events.Change) string { return c.Object }},
	{"FIELD", func(c events.Change) string { return c.Field }},
	{"FROM", func(c events.Change) string { return c.From }},
	{"TO", func(c events.Change) string { return c.To }},
	{"NOTE", func(c events.Change) string {
		if c.Destructive && c.Unchangeable == "" {
			return "destructive"
		}
		return c.Unchangeable
	}},
}

func printPlan(a *app, plan events.Plan) error {
	if len(plan.Changes) == 0 {
		a.log.Info("the topology is as it should be")
	}
	return printList(a, plan.Changes, changeColumns)
}

// explainTopology says what to type when changes are refused.
func explainTopology(ctx context.Context, err error) error {
	if _, lossy := errors.AsType[*events.DestructiveError](err); lossy {
		return &proc.Error{Code: proc.Failed, Err: err, Hint: "type: consumer topology plan, with the same flags; then the same again with --force"}
	}
	if _, fixed := errors.AsType[*events.UnchangeableError](err); fixed {
		return &proc.Error{Code: proc.Failed, Err: err, Hint: "type: consumer topology apply --stream <another name> --subject-prefix <another word>"}
	}
	return explainJetStream(ctx, err)
}
