package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"oprun.example/internal/proc"
	"oprun.example/migrations"
)

type migrateCommands struct {
	Up     migrateUpCommand     `cmd:"" help:"Bring the schema to this program's version. Any number of processes may do it at once."`
	Status migrateStatusCommand `cmd:"" help:"List the steps of the schema and whether they are applied."`
}

type (
	migrateUpCommand     struct{}
	migrateStatusCommand struct{}
)

// step is one migration and where it stands.
type step struct {
	Version int    `json:"version"`
	Name    string `json:"name"`
	State   string `json:"state"` // applied, pending
}

var stepColumns = []column[step]{
	{"STEP", func(s step) string { return s.Name }},
	{"STATE", func(s step) string { return s.State }},
}

// Run applies what is missing and lists what it applied.
func (*migrateUpCommand) Run(ctx context.Context, a *app) error {
	return a.withConnection(ctx, func(conn *pgx.Conn) error {
		applied, err := migrations.Up(ctx, conn)
		if err != nil {
			return err
		}
		version, steps, err := standing(ctx, conn)
		if err != nil {
			return err
		}
		a.log.Info("the schema is up to date", "version", version, "steps_applied", len(applied))
		steps = slices.DeleteFunc(steps, func(s step) bool { return !slices.Contains(applied, s.Name) })
		return errors.Join(printList(a, steps, stepColumns), foreign(version))
	})
}

// Run lists every step.
func (*migrateStatusCommand) Run(ctx context.Context, a *app) error {
	return a.withConnection(ctx, func(conn *pgx.Conn) error {
		version, steps, err := standing(ctx, conn)
		if err != nil {
			return err
		}
		return errors.Join(printList(a, steps, stepColumns), foreign(version))
	})
}

// withConnection runs do with one connection, and no ledger: there may be no schema yet.
func (a *app) withConnection(ctx context.Context, do func(conn *pgx.Conn) error) error {
	pool, err := a.postgres(ctx)
	if err != nil {
		return err
	}
	defer pool.Close()
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return explainLedger(ctx, fmt.Errorf("get a connection: %w", err))
	}
	defer conn.Release()
	return explainLedger(ctx, do(conn.Conn()))
}

// standing returns the version of the schema, and every step that this program knows.
func standing(ctx context.Context, conn *pgx.Conn) (version int, steps []step, err error) {
	if version, err = migrations.Version(ctx, conn); err != nil {
		return 0, nil, err
	}
	known, err := migrations.Steps()
	for _, s := range known {
		state := "pending"
		if s.Version <= version {
			state = "applied"
		}
		steps = append(steps, step{s.Version, s.Name, state})
	}
	return version, steps, err
}

// foreign is the error of a schema that a newer program made.
func foreign(version int) error {
	latest, err := migrations.Latest()
	if err != nil || version <= latest {
		return err
	}
	return &proc.Error{
		Code: proc.Failed,
		Err:  fmt.Errorf("the schema is version %d, newer than this program's %d", version, latest),
		Hint: "use the program that made it, or a later one",
	}
}
