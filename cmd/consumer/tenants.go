package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/google/uuid"

	"oprun.example/internal/proc"
	"oprun.example/pkg/oprun"
)

type tenantsCommands struct {
	List    tenantsListCommand    `cmd:"" help:"List every tenant, by label."`
	Add     tenantsAddCommand     `cmd:"" help:"Add a tenant, or find the one of this label again."`
	Suspend tenantsSuspendCommand `cmd:"" help:"Let no more of a tenant's jobs begin: those that come are parked."`
	Resume  tenantsResumeCommand  `cmd:"" help:"Let a suspended tenant's jobs run again, the parked ones first."`
}

type tenantsListCommand struct{}

type tenantsAddCommand struct {
	Label        string `arg:"" help:"What people call the tenant. Its id is always generated."`
	Workspace    string `env:"OPRUN_WORKSPACE_ID" default:"${seed_workspace}" placeholder:"ID" help:"Its workspace, by id or by name. Default: ${default}, the seeded one."`
	NewWorkspace bool   `help:"Make the workspace when there is none of this name."`
}

// tenantID is the argument that names a tenant.
type tenantID struct {
	ID uuid.UUID `arg:"" help:"The tenant's external id, as its subjects spell it."`
}

type tenantsSuspendCommand struct{ tenantID }

type tenantsResumeCommand struct{ tenantID }

var tenantColumns = []column[oprun.TenantInfo]{
	{"TENANT ID", func(t oprun.TenantInfo) string { return t.ExternalID.String() }},
	{"LABEL", func(t oprun.TenantInfo) string { return t.Label }},
	{"STATUS", func(t oprun.TenantInfo) string { return t.Status }},
	{"WORKSPACE ID", func(t oprun.TenantInfo) string { return t.WorkspaceID.String() }},
	{"CREATED", func(t oprun.TenantInfo) string { return moment(t.CreatedAt) }},
}

// Run lists the tenants.
func (*tenantsListCommand) Run(ctx context.Context, a *app) error {
	return a.withLedger(ctx, func(ledger *oprun.Ledger) error {
		tenants, err := ledger.Tenants(ctx)
		if err != nil {
			return err
		}
		return printList(a, tenants, tenantColumns)
	})
}

// Run adds the tenant and shows it.
func (c *tenantsAddCommand) Run(ctx context.Context, a *app) error {
	const command = "tenants add"
	if err := errors.Join(validLabel(command, "<label>", c.Label), validLabel(command, "--workspace", c.Workspace)); err != nil {
		return err
	}
	return a.withLedger(ctx, func(ledger *oprun.Ledger) error {
		workspace, err := c.workspace(ctx, ledger)
		if err != nil {
			return err
		}
		tenant, created, err := ledger.AddTenant(ctx, workspace, c.Label)
		if err != nil {
			return err
		}
		if !created {
			a.log.Info("the tenant was there already")
		}
		return printOne(a, tenant, tenantColumns)
	})
}

// workspace finds the workspace by what the flag says, or makes it.
func (c *tenantsAddCommand) workspace(ctx context.Context, ledger *oprun.Ledger) (uuid.UUID, error) {
	if c.NewWorkspace {
		made, _, err := ledger.AddWorkspace(ctx, c.Workspace)
		return made.ID, err
	}
	workspaces, err := ledger.Workspaces(ctx)
	if err != nil {
		return uuid.Nil, err
	}
	id, _ := uuid.Parse(c.Workspace) // uuid.Nil is nobody's
	for _, w := range workspaces {
		if w.ID == id || w.Name == c.Workspace {
			return w.ID, nil
		}
	}
	return uuid.Nil, &proc.Error{
		Code: proc.Failed,
		Err:  fmt.Errorf("no workspace %q in the ledger", c.Workspace),
		Hint: "type: consumer tenants add --new-workspace --workspace <name> <label>, or consumer seed",
	}
}

// Help is the longer text of --help.
func (*tenantsSuspendCommand) Help() string {
	return "What is running goes on to its end. What comes up, as a message or from the ledger, is parked in the ledger with its input until the tenant is resumed."
}

// Run suspends the tenant and shows it.
func (c *tenantsSuspendCommand) Run(ctx context.Context, a *app) error {
	return a.withLedger(ctx, func(ledger *oprun.Ledger) error {
		tenant, err := ledger.Suspend(ctx, c.ID)
		if err != nil {
			return noTenant(err)
		}
		return printOne(a, tenant, tenantColumns)
	})
}

// resumed is a tenant and what became due with it.
type resumed struct {
	oprun.TenantInfo
	Due int `json:"due"` // runs that were parked
}

// Run resumes the tenant and shows it.
func (c *tenantsResumeCommand) Run(ctx context.Context, a *app) error {
	return a.withLedger(ctx, func(ledger *oprun.Ledger) error {
		tenant, due, err := ledger.Resume(ctx, c.ID)
		if err != nil {
			return noTenant(err)
		}
		return printOne(a, resumed{tenant, due}, resumedColumns)
	})
}

var resumedColumns = append(with(tenantColumns, func(r resumed) oprun.TenantInfo { return r.TenantInfo }),
	column[resumed]{"RUNS DUE", func(r resumed) string { return strconv.Itoa(r.Due) }})

func noTenant(err error) error { return notFound(err, "type: consumer tenants list") }
