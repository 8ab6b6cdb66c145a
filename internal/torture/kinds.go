package torture

import (
	"context"
	"encoding/binary"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"oprun.example/pkg/catalog"
	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/jobs"
	"oprun.example/pkg/oprun"
)

// Timing of the stream and the leases: short, so that what a fault took away comes back within seconds.
const (
	ackWait    = 3 * time.Second
	lease      = 3 * time.Second // the shortest that a catalogue allows
	duplicates = 5 * time.Second // the broker's dedupe window: a client's retry after it reaches the ledger
)

// input is the input of all types. Key is declared as the identity; Request is not: it tells whose work a run does.
type input struct {
	Key     string `json:"key"`
	Request int    `json:"request"`
}

// Types that are treated specially outside of their handlers.
const (
	followType = "torture.follow" // the auditor in the database notes their claims (I6)
	tickType   = "torture.tick"   // a schedule asks for it, every other second
	doomedType = "torture.doomed" // their clients cancel them, as soon as they know the run
)

// kind is a job type of the torture: what it declares, how its handler behaves, and how its runs must end.
type kind struct {
	jobType string
	weight  int // of a hundred or so requests
	job     catalog.Job
	want    oprun.Outcome
	or      oprun.Outcome // which is as good; empty: none
	handle  func(ctx context.Context, job *jobs.Job[input]) error
}

// kinds are the job types. One that a policy of the catalogue makes special is a line here.
func kinds() []kind {
	patient := catalog.Retry{MaxAttempts: 200, Initial: 50 * time.Millisecond, Max: time.Second}
	poisoned := catalog.Retry{MaxAttempts: 3, Initial: 50 * time.Millisecond, Max: time.Second}
	tenant := catalog.Job{ScopeKind: dedupe.TenantScope, Identity: []string{"key"}, Lease: lease, Retry: patient}
	workspace, each, poison, follow, once, cool := tenant, tenant, tenant, tenant, tenant, tenant
	workspace.ScopeKind = dedupe.WorkspaceScope
	each.IdentityMode = dedupe.RequestMode
	poison.Retry = poisoned
	follow.OnDuplicate = catalog.FollowUp
	once.IdentityMode = dedupe.OnceMode
	cool.Cooldown = 3 * time.Second
	return []kind{
		{"torture.plain", 38, tenant, oprun.Succeeded, "", leaveEffect},
		{"torture.desk", 8, workspace, oprun.Succeeded, "", leaveEffect},
		{"torture.each", 8, each, oprun.Succeeded, "", leaveEffect},
		{"torture.slow", 16, tenant, oprun.Succeeded, "", after(250*time.Millisecond, leaveEffect)},
		{"torture.long", 1, tenant, oprun.Succeeded, "", after(2*lease, leaveEffect)},
		{"torture.flaky", 12, tenant, oprun.Succeeded, "", flaky},
		{"torture.panicky", 6, tenant, oprun.Succeeded, "", panicky},
		{"torture.snoozy", 5, tenant, oprun.Succeeded, "", snoozy},
		{"torture.poison", 4, poison, oprun.Failed, "", poisonous},
		{"torture.blocked", 2, tenant, oprun.Blocked, "", blocked},
		{"torture.queue", 24, tenant, oprun.Succeeded, "", queueEffect},
		{"torture.spoilt", 8, tenant, oprun.Succeeded, "", spoilt},
		{"torture.rotten", 3, poison, oprun.Failed, "", rotten},
		{followType, 8, follow, oprun.Succeeded, "", after(250*time.Millisecond, leaveEffect)},
		{"torture.once", 4, once, oprun.Succeeded, "", leaveEffect},
		{"torture.cool", 4, cool, oprun.Succeeded, "", leaveEffect},
		{tickType, 0, workspace, oprun.Succeeded, "", leaveEffect},
		{doomedType, 4, tenant, oprun.Succeeded, oprun.Cancelled, after(250*time.Millisecond, leaveEffect)},
	}
}

// remembers tells whether a run may serve a request that came after its end.
func (k kind) remembers() bool { return k.job.IdentityMode == dedupe.OnceMode || k.job.Cooldown > 0 }

func newCatalog() (*catalog.Catalog, error) {
	declared := catalog.Catalog{
		Jobs:      map[string]catalog.Job{},
		Schedules: map[string]catalog.Schedule{"tick": {Type: tickType, Cron: "@every 2s", Input: []byte(`{"key": "tick"}`)}},
	}
	for _, k := range kinds() {
		declared.Jobs[k.jobType] = k.job
	}
	return catalog.New(declared, nil)
}

// errUnlucky is what a handler fails with because it was told to.
var errUnlucky = errors.New("unlucky")

// commit leaves the effect in the run's own transaction, and then does what spoils it, if anything does.
func commit(ctx context.Context, job *jobs.Job[input], spoil func() error) error {
	return job.Commit(ctx, func(tx pgx.Tx) error {
		job.Count("processed", int64(job.Attempt)) // so that it tells which attempt's counts were kept (I13)
		_, err := tx.Exec(ctx, "insert into torture.effects values ($1, $2, $3)", job.RunID, job.Attempt, job.Args.Request)
		if err != nil || spoil == nil {
			return err
		}
		return spoil()
	})
}

func leaveEffect(ctx context.Context, job *jobs.Job[input]) error { return commit(ctx, job, nil) }

// after waits for up to this long before the effect. The handler is deaf to its context then, as many are.
func after(longest time.Duration, then func(context.Context, *jobs.Job[input]) error) func(context.Context, *jobs.Job[input]) error {
	return func(ctx context.Context, job *jobs.Job[input]) error {
		timer := time.NewTimer(time.Duration(luck(job.RunID, job.Attempt) * float64(longest)))
		defer timer.Stop()
		<-timer.C
		return then(ctx, job)
	}
}

func flaky(ctx context.Context, job *jobs.Job[input]) error {
	switch l := luck(job.RunID, job.Attempt); {
	case l < 0.2:
		job.Count("processed", 1000)
		return errUnlucky
	case l < 0.4:
		return commit(ctx, job, func() error { return errUnlucky })
	default:
		return leaveEffect(ctx, job)
	}
}

func panicky(ctx context.Context, job *jobs.Job[input]) error {
	if luck(job.RunID, job.Attempt) < 0.4 {
		return commit(ctx, job, func() error { panic(errUnlucky) })
	}
	return leaveEffect(ctx, job)
}

func snoozy(ctx context.Context, job *jobs.Job[input]) error {
	if l := luck(job.RunID, job.Attempt); l < 0.5 {
		return jobs.Snooze(time.Duration(l * float64(time.Second)))
	}
	return leaveEffect(ctx, job)
}

func poisonous(ctx context.Context, job *jobs.Job[input]) error {
	return commit(ctx, job, func() error { return errUnlucky })
}

func blocked(context.Context, *jobs.Job[input]) error {
	return jobs.Blocked("torture.closed", "somebody else has to open the door")
}

// luck is a number from 0 to 1 that an attempt has whenever and wherever it runs.
func luck(runID uuid.UUID, attempt int) float64 {
	// The end of a run's id is random: it is a v7, or derived by a hash.
	x := binary.BigEndian.Uint64(runID[8:]) + uint64(attempt)*0x9e3779b97f4a7c15
	x ^= x >> 31
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 29
	return float64(x>>11) / (1 << 53)
}
