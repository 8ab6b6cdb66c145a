package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go/jetstream"

	"oprun.example/internal/devstack"
	"oprun.example/internal/proc"
	"oprun.example/migrations"
	"oprun.example/pkg/events"
	"oprun.example/pkg/oprun"
)

type upCommand struct {
	NATSPort int `help:"Port of the NATS server on 127.0.0.1; -1 takes a free one." default:"-1"`
}

// Run keeps a ready stack until the context ends.
func (c *upCommand) Run(ctx context.Context, to streams) (err error) {
	stack, err := devstack.Start(ctx, devstack.Config{NATS: devstack.NATSConfig{Port: c.NATSPort}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stack.Close()) }()
	workspace, tenant, err := prepare(ctx, stack)
	if err != nil {
		return err
	}
	for _, setting := range stack.Env() {
		fmt.Fprintf(to.out, "export %s\n", shellQuote(setting))
	}
	fmt.Fprintf(to.err, "ready: schema and topology applied, workspace %s, tenant %s; Ctrl-C ends it\n", workspace.ID, tenant.ExternalID)
	<-ctx.Done()
	return nil
}

type execCommand struct {
	Command []string `arg:"" passthrough:"" help:"The command and its arguments, after --."`
}

// Run starts a ready stack, runs the command with its addresses in the environment, and ends as the command ended.
func (c *execCommand) Run(ctx context.Context, to streams) (err error) {
	line := c.Command
	if len(line) > 0 && line[0] == "--" {
		line = line[1:]
	}
	if len(line) == 0 {
		return &proc.Error{Code: proc.Usage, Err: errors.New("no command given"), Hint: "dev exec -- COMMAND [ARG ...]"}
	}
	stack, err := devstack.Start(ctx, devstack.Config{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stack.Close()) }()
	if _, _, err := prepare(ctx, stack); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, line[0], line[1:]...)
	cmd.Env = append(os.Environ(), stack.Env()...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, to.out, to.err
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	err = cmd.Run()
	if cmd.ProcessState != nil && cmd.ProcessState.Success() {
		return nil // although we may have asked it to stop, which Run counts as an error
	}
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.ExitCode() > 0 {
		return &proc.Error{Code: proc.Code(exit.ExitCode()), Err: fmt.Errorf("%s: %w", line[0], err)}
	}
	return err
}

// prepare makes a fresh stack ready for jobs: schema, topology, a workspace and a tenant.
func prepare(ctx context.Context, stack *devstack.Stack) (w oprun.WorkspaceInfo, t oprun.TenantInfo, err error) {
	db, err := pgx.Connect(ctx, stack.DatabaseURL())
	if err != nil {
		return w, t, err
	}
	_, err = migrations.Up(ctx, db)
	if err := errors.Join(err, db.Close(ctx)); err != nil {
		return w, t, err
	}
	conn, err := stack.NATS.Connect()
	if err != nil {
		return w, t, err
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		return w, t, err
	}
	if _, err := events.DefaultTopology().Apply(ctx, js, false); err != nil {
		return w, t, err
	}
	return seed(ctx, stack)
}

func seed(ctx context.Context, stack *devstack.Stack) (w oprun.WorkspaceInfo, t oprun.TenantInfo, err error) {
	pool, err := pgxpool.New(ctx, stack.DatabaseURL())
	if err != nil {
		return w, t, err
	}
	defer pool.Close()
	ledger, err := oprun.Open(ctx, pool)
	if err != nil {
		return w, t, err
	}
	defer ledger.Close()
	return ledger.Seed(ctx, os.Getenv("INTUNE_TENANT_ID"))
}

// shellQuote writes NAME=value so that a shell reads it back: its value may hold any character but a quote.
func shellQuote(setting string) string {
	name, value, _ := strings.Cut(setting, "=")
	return name + "='" + strings.ReplaceAll(value, "'", `'\''`) + "'"
}
