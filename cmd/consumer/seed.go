package main

import (
	"context"
	"fmt"

	"oprun.example/pkg/oprun"
)

type seedCommand struct {
	Label string `env:"INTUNE_TENANT_ID" default:"${seed_tenant}" placeholder:"TEXT" help:"What to call the tenant, and to find it by again. It is never its id: that is always generated. Default: ${default}."`
}

// seeded is what a seed made or found.
type seeded struct {
	Workspace oprun.WorkspaceInfo `json:"workspace"`
	Tenant    oprun.TenantInfo    `json:"tenant"`
}

var seededColumns = []column[seeded]{
	{"WORKSPACE", func(s seeded) string { return s.Workspace.Name }},
	{"WORKSPACE ID", func(s seeded) string { return s.Workspace.ID.String() }},
	{"TENANT", func(s seeded) string { return s.Tenant.Label }},
	{"TENANT ID", func(s seeded) string { return s.Tenant.ExternalID.String() }},
}

// Run makes or finds the rows and shows how to name them.
func (c *seedCommand) Run(ctx context.Context, a *app) error {
	if err := validLabel("seed", "--label", c.Label); err != nil {
		return err
	}
	return a.withLedger(ctx, func(ledger *oprun.Ledger) error {
		workspace, tenant, err := ledger.Seed(ctx, c.Label)
		if err != nil {
			return err
		}
		a.log.Info("the tenant's jobs go to its subjects", "subjects", fmt.Sprintf("%s.tenant.%s.<job type>", a.SubjectPrefix, tenant.ExternalID))
		return printOne(a, seeded{workspace, tenant}, seededColumns)
	})
}

// validLabel refuses what nobody could read or type again.
func validLabel(command, field, label string) error {
	const longest = 200
	if label != "" && oprun.OneLine(label, longest) == label {
		return nil
	}
	return misuse(command, "%s: write one line of up to %d printable characters", field, longest)
}
