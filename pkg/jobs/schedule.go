package jobs

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"oprun.example/pkg/catalog"
	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/oprun"
)

// scheduleLoop fires the schedules of the types that this worker runs. Every worker does, and there is no leader: a
// fire time is an identity that runs once for each scope, so any number of workers makes one run of it.
func (w *Worker) scheduleLoop(ctx context.Context) {
	s := &scheduler{Worker: w, next: map[string]time.Time{}}
	w.every(ctx, s.once)
}

// scheduler knows when each schedule is to be looked at again, so that most looks ask the ledger nothing.
type scheduler struct {
	*Worker
	next map[string]time.Time
}

// once fires what is due. After a time in which nobody ran, only the latest of the missed times is fired, and its
// runs say how many were missed.
func (s *scheduler) once(ctx context.Context) (more bool) {
	now := time.Now()
	for _, name := range slices.Sorted(maps.Keys(s.schedules)) {
		if now.Before(s.next[name]) {
			continue
		}
		ask, cancel := context.WithTimeout(ctx, ledgerPatience)
		err := s.fire(ask, name, s.schedules[name], now)
		cancel()
		s.heard(err)
		switch {
		case err == nil:
			s.next[name] = orDefault(s.schedules[name].Next(now), now.Add(time.Hour))
		case ctx.Err() == nil:
			s.log.Warn("schedule not fired", "schedule", name, "error", err)
		}
	}
	return false
}

// fire makes the runs of the latest fire time, unless they are made. A schedule that the ledger sees for the first time
// begins with its next one. The time is recorded last: whoever dies before that leaves it to the others.
func (s *scheduler) fire(ctx context.Context, name string, schedule catalog.Schedule, now time.Time) error {
	fire := schedule.Prev(now)
	if fire.IsZero() {
		return nil
	}
	last, seen, err := s.ledger.LastFire(ctx, name)
	if err != nil || seen && !last.Before(fire) {
		return err
	}
	if seen && now.Sub(fire) < s.config.Retention { // an older run of it may have been forgotten
		if err := s.make(ctx, name, schedule, fire, schedule.Missed(last, fire, maxMissed)); err != nil {
			return err
		}
	}
	return s.ledger.Fired(ctx, name, fire)
}

// maxMissed bounds how many missed fire times are counted.
const maxMissed = 10_000

// fired is what the runs of a schedule say of themselves, in their context.
type fired struct {
	Schedule string    `json:"schedule"`
	FireTime time.Time `json:"fire_time"`
	Missed   int       `json:"missed_fires,omitempty"` // between the fire time before and this one
}

func (s *scheduler) make(ctx context.Context, name string, schedule catalog.Schedule, fire time.Time, missed int) error {
	note, err := json.Marshal(fired{name, fire, missed})
	if err != nil {
		return err
	}
	spec := s.specs[schedule.Type]
	scopes, err := s.scopes(ctx, schedule.Type, spec.job.ScopeKind)
	if err != nil {
		return err
	}
	firing := oprun.Firing{
		Input: schedule.Input, Initiator: "schedule " + name, MaxAttempts: spec.job.Retry.MaxAttempts, Context: note,
		Identities: make([]dedupe.Identity, len(scopes)),
	}
	for i, scope := range scopes {
		firing.Identities[i] = dedupe.ScheduleIdentity(scope, schedule.Type, name, fire)
	}
	made, err := s.ledger.Fire(ctx, firing)
	if made > 0 {
		s.log.Info("schedule fired", "schedule", name, "fire_time", fire, "runs", made, "missed_fires", missed)
	}
	return err
}

// scopes returns whose runs a type's schedule makes: of every active tenant, or of every workspace; the built-in types
// have one run, in the home of system runs.
func (s *scheduler) scopes(ctx context.Context, jobType string, kind dedupe.ScopeKind) (scopes []dedupe.Scope, err error) {
	if kind == dedupe.TenantScope {
		tenants, err := s.ledger.Tenants(ctx)
		for _, t := range tenants {
			if t.Status == "active" {
				scopes = append(scopes, dedupe.Tenant(t.ExternalID))
			}
		}
		return scopes, err
	}
	workspaces, err := s.ledger.Workspaces(ctx)
	if s.specs[jobType].builtin {
		workspaces = s.home(workspaces)
	}
	for _, w := range workspaces {
		scopes = append(scopes, dedupe.Workspace(w.ID))
	}
	return scopes, err
}

// home is the workspace of system runs: the one that is configured, else the seeded one, else the first.
func (s *scheduler) home(workspaces []oprun.WorkspaceInfo) []oprun.WorkspaceInfo {
	for i, w := range workspaces {
		if s.isHome(w) {
			return workspaces[i : i+1]
		}
	}
	return workspaces[:min(1, len(workspaces))]
}

func (w *Worker) isHome(workspace oprun.WorkspaceInfo) bool {
	return w.config.Workspace == workspace.Name || w.config.Workspace == workspace.ID.String()
}

// schedulesOf returns the schedules of the types that this worker runs.
func (w *Worker) schedulesOf(cat *catalog.Catalog) map[string]catalog.Schedule {
	own := map[string]catalog.Schedule{}
	if w.config.NoSchedules {
		return own
	}
	for name, schedule := range cat.Schedules {
		if w.specs[schedule.Type] != nil {
			own[name] = schedule
		}
	}
	return own
}

// checkHome refuses a home of system runs that was asked for and is not there.
func (w *Worker) checkHome(ctx context.Context) error {
	workspaces, err := w.ledger.Workspaces(ctx)
	if err != nil || w.config.Workspace == oprun.SeedWorkspace || slices.ContainsFunc(workspaces, w.isHome) {
		return err
	}
	return fmt.Errorf("the ledger has no workspace %q to be the home of system runs: add it, or name another", w.config.Workspace)
}
