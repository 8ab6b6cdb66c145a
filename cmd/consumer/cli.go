package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"oprun.example/internal/proc"
	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
	"oprun.example/pkg/oprun"
)

// cli is the command line. Flags win over the environment.
type cli struct {
	settings

	Run         runCommand         `cmd:"" help:"Run jobs until asked to stop: fetch, claim, run, finish, ack; relay; sweeper; metrics listener."`
	Migrate     migrateCommands    `cmd:"" help:"Make or look at the ledger's schema."`
	Topology    topologyCommands   `cmd:"" help:"Make or look at the stream and its consumer."`
	Seed        seedCommand        `cmd:"" help:"Make a demo workspace and tenant, or find them again."`
	Tenants     tenantsCommands    `cmd:"" help:"List, add, suspend and resume tenants."`
	Runs        runsCommands       `cmd:"" help:"Look at runs, cancel and retry them."`
	Deadletters deadLetterCommands `cmd:"" help:"Look at messages that could never run, and requeue them."`
	Audit       auditCommand       `cmd:"" help:"Compare the stream with the ledger: unaccounted and doubled messages, by count and by place."`
	Shadow      shadowCommands     `cmd:"" help:"Compare what a catalogue and handlers make of recorded messages with what the ledger has of them."`
}

// settings are what every subcommand may be told.
type settings struct {
	DatabaseURL    string        `env:"DATABASE_URL" group:"Connections:" placeholder:"URL" help:"The ledger's Postgres. Default: the PG* variables."`
	NATSURL        string        `name:"nats-url" env:"NATS_URL" group:"Connections:" placeholder:"URL" help:"One address or several, separated by commas. Default: nats://127.0.0.1:4222."`
	NATSCreds      string        `name:"nats-creds" env:"NATS_CREDS" group:"Connections:" placeholder:"FILE" help:"Credentials file for NATS."`
	ConnectTimeout time.Duration `env:"OPRUN_CONNECT_TIMEOUT" group:"Connections:" default:"30s" help:"How long to wait for each service; 0 tries once. Default: ${default}."`

	Stream        string `env:"OPRUN_STREAM" group:"Names:" default:"${stream}" placeholder:"NAME" help:"The stream. Default: ${default}."`
	Consumer      string `env:"OPRUN_CONSUMER" group:"Names:" placeholder:"NAME" help:"The durable consumer. Default: ${consumer}, or one named after --types."`
	SubjectPrefix string `env:"OPRUN_SUBJECT_PREFIX" group:"Names:" default:"${prefix}" placeholder:"WORD" help:"First token of every job's subject. Default: ${default}."`
	EventsPrefix  string `env:"OPRUN_EVENTS_PREFIX" group:"Names:" default:"${events_prefix}" placeholder:"WORD" help:"First token of the subjects on which the ends of runs are told. Default: ${default}."`

	Output    string           `short:"o" group:"Output and logs:" enum:"table, json, ndjson" default:"table" placeholder:"FORMAT" help:"Form of the data on stdout: ${enum}. Default: ${default}."`
	LogFormat string           `env:"OPRUN_LOG_FORMAT" group:"Output and logs:" placeholder:"FORMAT" help:"text or json. Default: text on a terminal, else json."`
	LogLevel  string           `env:"OPRUN_LOG_LEVEL" group:"Output and logs:" placeholder:"LEVEL" help:"debug, info, warn or error. Default: info."`
	Version   proc.VersionFlag `group:"Output and logs:" help:"Print the version and exit."`
}

func (s *settings) subjects() events.Subjects {
	return events.Subjects{Prefix: s.SubjectPrefix, Events: s.EventsPrefix}
}

// topology names the stream, the subjects, and the consumer of these job types; of all when there are none.
func (s *settings) topology(types []string) events.Topology {
	t := events.DefaultTopology()
	t.Stream, t.Subjects = s.Stream, s.subjects()
	t = t.For(types...)
	if s.Consumer != "" {
		t.Consumer = s.Consumer
	}
	return t
}

// parse reads the command line and the environment. --help and --version print and end the process.
func parse(args []string, to streams) (*kong.Context, *settings, error) {
	var c cli
	topology := events.DefaultTopology()
	command, err := proc.Parse(&c, "consumer", "Runs background jobs from NATS JetStream exactly once, and operates their ledger in Postgres.",
		args, to.out, to.err, kong.Vars{
			"stream": topology.Stream, "consumer": topology.Consumer, "prefix": events.DefaultPrefix, "events_prefix": events.DefaultEventsPrefix,
			"max_age": strconv.Itoa(int(topology.MaxAge/(24*time.Hour))) + "d", "ack_wait": topology.AckWait.String(), "max_ack_pending": strconv.Itoa(topology.MaxAckPending),
			"seed_tenant": oprun.SeedTenant, "seed_workspace": oprun.SeedWorkspace,
			"outcomes":    words(append([]oprun.Outcome{oprun.Pending}, oprun.Outcomes()...)),
			"reasons":     spelled(dedupe.Reasons()),
			"freshnesses": words(oprun.Freshnesses()),
			"problems":    words(oprun.Problems()),
		})
	if err != nil {
		return nil, nil, err
	}
	return command, &c.settings, nil
}

// misuse is the error of flags that parse and make no sense.
func misuse(command, format string, args ...any) error {
	return &proc.Error{Code: proc.Usage, Err: fmt.Errorf(format, args...), Hint: "type: consumer " + command + " --help"}
}

// words and spelled make the choices of a flag.
func words[T ~string](choices []T) string {
	texts := make([]string, len(choices))
	for i, c := range choices {
		texts[i] = string(c)
	}
	return strings.Join(texts, ", ")
}

func spelled[T interface{ String() string }](choices []T) string {
	texts := make([]string, len(choices))
	for i, c := range choices {
		texts[i] = c.String()
	}
	return words(texts)
}
