package main

import (
	"fmt"
	"time"

	"github.com/alecthomas/kong"

	"oprun.example/internal/proc"
	"oprun.example/pkg/events"
)

// cli is the command line. Flags win over the environment.
type cli struct {
	settings

	Publish   publishCommand `cmd:"" help:"Publish a job, or a file of jobs, and wait until the stream, or the ledger, has it."`
	Load      loadCommand    `cmd:"" help:"Publish a bounded number of made-up jobs, and tell what became of them."`
	Record    recordCommand  `cmd:"" help:"Write the messages of the stream to a file, as they are stored."`
	Replay    replayCommand  `cmd:"" help:"Publish recorded messages again, and tell what became of each."`
	Catalogue catalogCommand `cmd:"" name:"catalog" help:"Check and describe the catalogue."`
}

// settings are what every subcommand may be told.
type settings struct {
	NATSURL        string        `name:"nats-url" env:"NATS_URL" group:"Connections:" placeholder:"URL" help:"One address or several, separated by commas. Default: nats://127.0.0.1:4222."`
	NATSCreds      string        `name:"nats-creds" env:"NATS_CREDS" group:"Connections:" placeholder:"FILE" help:"Credentials file for NATS."`
	DatabaseURL    string        `env:"DATABASE_URL" group:"Connections:" placeholder:"URL" help:"The ledger's Postgres, for --ledger, --wait, load and replay. Default: the PG* variables."`
	ConnectTimeout time.Duration `env:"OPRUN_CONNECT_TIMEOUT" group:"Connections:" default:"30s" help:"How long to wait for NATS, or Postgres; 0 tries once. Default: ${default}."`

	Catalog       string `env:"OPRUN_CATALOG" group:"Names:" default:"./jobs.yaml" placeholder:"FILE" help:"The job catalogue, the same as the consumers'. Default: ${default}."`
	SubjectPrefix string `env:"OPRUN_SUBJECT_PREFIX" group:"Names:" default:"${prefix}" placeholder:"WORD" help:"First token of every job's subject. Default: ${default}."`
	EventsPrefix  string `env:"OPRUN_EVENTS_PREFIX" group:"Names:" default:"${events_prefix}" placeholder:"WORD" help:"First token of the subjects on which the ends of runs are told. Default: ${default}."`
	Stream        string `env:"OPRUN_STREAM" group:"Names:" default:"${stream}" placeholder:"NAME" help:"The stream: whose workers publish --ledger wakes, which record reads, and, given to replay instead of a FILE, which it replays. Default: ${default}."`

	Output    string           `short:"o" group:"Output and logs:" enum:"table, json, ndjson" default:"table" placeholder:"FORMAT" help:"Form of the data on stdout: ${enum}. Default: ${default}."`
	LogFormat string           `env:"OPRUN_LOG_FORMAT" group:"Output and logs:" placeholder:"FORMAT" help:"text or json. Default: text on a terminal, else json."`
	LogLevel  string           `env:"OPRUN_LOG_LEVEL" group:"Output and logs:" placeholder:"LEVEL" help:"debug, info, warn or error. Default: info."`
	Version   proc.VersionFlag `group:"Output and logs:" help:"Print the version and exit."`
}

func (s *settings) subjects() events.Subjects {
	return events.Subjects{Prefix: s.SubjectPrefix, Events: s.EventsPrefix}
}

func (s *settings) validateSubjects() error {
	if err := s.subjects().Validate(); err != nil {
		return fmt.Errorf("--subject-prefix, --events-prefix: %w", err)
	}
	return nil
}

// parse reads the command line and the environment. --help and --version print and end the process.
func parse(args []string, to streams) (*kong.Context, *settings, error) {
	var c cli
	command, err := proc.Parse(&c, "publisher", "Publishes background jobs to NATS JetStream.", args, to.out, to.err,
		kong.Vars{"prefix": events.DefaultPrefix, "events_prefix": events.DefaultEventsPrefix, "stream": events.DefaultTopology().Stream, "consumer": events.DefaultTopology().Consumer})
	if err != nil {
		return nil, nil, err
	}
	return command, &c.settings, nil
}

// misuse is the error of flags that parse and make no sense.
func misuse(command, format string, args ...any) error {
	return &proc.Error{Code: proc.Usage, Err: fmt.Errorf(format, args...), Hint: "type: publisher " + command + " --help"}
}
