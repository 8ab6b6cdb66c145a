package dedupe

import (
	"fmt"

	"github.com/google/uuid"
)

// ScopeKind tells a tenant's job from a workspace's.
type ScopeKind uint8

// The kinds of scope. The zero value is neither and is not valid.
const (
	TenantScope ScopeKind = iota + 1
	WorkspaceScope
)

// String returns the kind as it is spelled in subjects, catalogues and hashes.
func (k ScopeKind) String() string {
	switch k {
	case TenantScope:
		return "tenant"
	case WorkspaceScope:
		return "workspace"
	default:
		return fmt.Sprintf("scope kind %d", uint8(k))
	}
}

// ParseScopeKind reads "tenant" or "workspace".
func ParseScopeKind(s string) (ScopeKind, error) {
	switch s {
	case "tenant":
		return TenantScope, nil
	case "workspace":
		return WorkspaceScope, nil
	default:
		return 0, fmt.Errorf("scope %q is neither tenant nor workspace", s)
	}
}

// Scope is whose job it is: a tenant, by its external id, or a workspace, by its id. It is comparable.
type Scope struct {
	Kind ScopeKind
	ID   uuid.UUID
}

// Tenant returns the scope of the tenant with this external id.
func Tenant(externalID uuid.UUID) Scope { return Scope{TenantScope, externalID} }

// Workspace returns the scope of jobs that belong to a workspace and to no tenant.
func Workspace(id uuid.UUID) Scope { return Scope{WorkspaceScope, id} }

// String returns "tenant.<id>" or "workspace.<id>", as a subject spells it.
func (s Scope) String() string { return s.Kind.String() + "." + s.ID.String() }
