package oprun

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"
)

func TestSeed(t *testing.T) {
	t.Parallel()
	scenes(t, map[string]func(s *scene){
		"a_second_seed_finds_the_first_ones_rows": func(s *scene) {
			workspace, tenant, err := s.Seed(s.t.Context(), SeedTenant)
			must(s.t, err)
			same(s.t, "workspace", s.workspace, workspace)
			same(s.t, "tenant", s.tenant, tenant)
			workspace, other, err := s.Seed(s.t.Context(), "acme")
			must(s.t, err)
			same(s.t, "workspace", s.workspace, workspace)
			if other.ID == tenant.ID || other.ExternalID == tenant.ExternalID || other.Label != "acme" {
				s.t.Errorf("another label has tenant %+v", other)
			}
		},
		"sixteen_seeds_at_once_make_one_tenant": func(s *scene) {
			s.exec("delete from oprun.tenants")
			s.exec("delete from oprun.workspaces")
			tenants := make([]TenantInfo, 16)
			group, ctx := errgroup.WithContext(context.Background())
			for i := range tenants {
				group.Go(func() (err error) {
					_, tenants[i], err = s.Seed(ctx, "")
					return err
				})
			}
			must(s.t, group.Wait())
			for _, tenant := range tenants {
				same(s.t, "tenant", tenants[0], tenant)
			}
			same(s.t, "rows", "1 1", query[string](s, "select (select count(*) from oprun.workspaces) || ' ' || (select count(*) from oprun.tenants)"))
		},
		"the_environment_names_no_tenant": func(s *scene) {
			if s.tenant.ExternalID.String() == intuneTenant || s.tenant.ID.String() == intuneTenant {
				s.t.Error("the tenant's id was taken from INTUNE_TENANT_ID")
			}
			same(s.t, "version", uuid.Version(4), s.tenant.ExternalID.Version())
		},
		"a_label_is_no_identity": func(s *scene) {
			workspace, created, err := s.AddWorkspace(s.t.Context(), "other")
			must(s.t, err)
			same(s.t, "created", true, created)
			tenant, created, err := s.AddTenant(s.t.Context(), workspace.ID, s.tenant.Label)
			must(s.t, err)
			same(s.t, "created", true, created)
			if tenant.ExternalID == s.tenant.ExternalID {
				s.t.Error("two workspaces share a tenant")
			}
			_, created, err = s.AddTenant(s.t.Context(), workspace.ID, s.tenant.Label)
			must(s.t, err)
			same(s.t, "created again", false, created)
		},
		"the_lists_are_in_the_order_of_their_names": func(s *scene) {
			for _, label := range []string{"c", "a"} {
				_, _, err := s.AddTenant(s.t.Context(), s.workspace.ID, label)
				must(s.t, err)
				_, _, err = s.AddWorkspace(s.t.Context(), label)
				must(s.t, err)
			}
			tenants, err := s.Tenants(s.t.Context())
			must(s.t, err)
			workspaces, err := s.Workspaces(s.t.Context())
			must(s.t, err)
			var labels []string
			for i := range tenants {
				labels = append(labels, tenants[i].Label+workspaces[i].Name)
			}
			same(s.t, "labels and names", "[aa cc demodemo]", fmt.Sprint(labels))
		},
		"a_tenant_needs_a_workspace_and_a_label": func(s *scene) {
			if _, _, err := s.AddTenant(s.t.Context(), uuid.New(), "a"); err == nil || Unavailable(err) {
				s.t.Errorf("a tenant of no workspace: %v", err)
			}
			if _, _, err := s.AddTenant(s.t.Context(), s.workspace.ID, ""); err == nil {
				s.t.Error("a tenant without a label was made")
			}
			if _, _, err := s.AddWorkspace(s.t.Context(), ""); err == nil {
				s.t.Error("a workspace without a name was made")
			}
		},
	})
}
