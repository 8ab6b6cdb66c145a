package oprun

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"oprun.example/pkg/dedupe"
)

// TestMachine plays random steps on the ledger and on the model beside it: each verdict, and each row after each step,
// must be what the model says.
func TestMachine(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	rapid.Check(t, func(t *rapid.T) {
		tenant, _, err := s.AddTenant(context.Background(), s.workspace.ID, uuid.NewString())
		if err != nil {
			t.Fatal(err)
		}
		p := &play{scene: s, tenant: tenant, model: machine{recorded: map[uuid.UUID]dedupe.Verdict{}}, holds: map[uuid.UUID]Hold{}}
		t.Repeat(map[string]func(*rapid.T){
			"":                    p.check,
			"a message":           p.message,
			"a redelivery":        p.redelivery,
			"a publication":       p.publication,
			"a request":           p.request,
			"a success":           p.succeed,
			"a failure":           p.fail,
			"a late result":       p.late,
			"a snooze":            p.snooze,
			"a lease that ends":   p.loseLease,
			"a sweep":             p.sweep,
			"a cancellation":      p.cancel,
			"a retry by hand":     p.retry,
			"a suspended tenant":  p.suspend,
			"a tenant that is on": p.resume,
		})
	})
}

// play is one game on a tenant of its own.
type play struct {
	*scene
	model      machine
	tenant     TenantInfo
	deliveries []Delivery
	names      []string           // of the deliveries' identities
	holds      map[uuid.UUID]Hold // the last of each run
}

var identities = []string{"skip 1", "skip 2", "follow 1", "follow 2", "once 1", "cool 1"}

func (p *play) identity(name string) dedupe.Identity {
	id := p.scene.identity(p.tenant.ID.String() + name)
	id.Scope = dedupe.Tenant(p.tenant.ExternalID)
	return id
}

// with gives a delivery the policies of its identity.
func (p *play) with(d Delivery, name string) Delivery {
	d.Identity, d.Once, d.Follows, d.Cools = p.identity(name), once(name), follows(name), cools(name)
	d.Token, d.Input, d.MaxAttempts = uuid.New(), []byte(`{}`), 2
	return d
}

// ask claims one delivery on both sides.
func (p *play) ask(t *rapid.T, d Delivery, name string) {
	want := p.model.claim(d, name)
	answers, err := p.Claim(context.Background(), p.who, []Delivery{d})
	if err != nil {
		t.Fatal(err)
	}
	if got := answers[0].Verdict; got != want {
		t.Fatalf("%s: the verdict is %s, the model says %s", name, got, want)
	}
	if want == dedupe.Execute {
		h := hold(d, answers[0])
		h.Follows = follows(name)
		p.holds[d.RunID] = h
	}
}

func (p *play) message(t *rapid.T) {
	name := rapid.SampledFrom(identities).Draw(t, "identity")
	d := p.with(p.delivery(""), name)
	p.deliveries, p.names = append(p.deliveries, d), append(p.names, name)
	p.ask(t, d, name)
}

func (p *play) redelivery(t *rapid.T) {
	if len(p.deliveries) == 0 {
		t.Skip("no message")
	}
	i := rapid.IntRange(0, len(p.deliveries)-1).Draw(t, "message")
	p.ask(t, p.with(p.deliveries[i], p.names[i]), p.names[i])
}

// pick draws a run that fits.
func (p *play) pick(t *rapid.T, fits func(*modelRun) bool) *modelRun {
	var list []*modelRun
	for _, r := range p.model.runs {
		if fits(r) {
			list = append(list, r)
		}
	}
	if len(list) == 0 {
		t.Skip("no such run")
	}
	return rapid.SampledFrom(list).Draw(t, "run")
}

func anyRun(*modelRun) bool    { return true }
func running(r *modelRun) bool { return r.status == "running" }

// publication is a message of the relay's, which names a run.
func (p *play) publication(t *rapid.T) {
	r := p.pick(t, anyRun)
	d := p.with(p.delivery(""), r.identity)
	d.RunID, d.Named, d.Identity.Hash = r.id, true, [32]byte{}
	p.ask(t, d, r.identity)
}

func (p *play) request(t *rapid.T) {
	name := rapid.SampledFrom(identities).Draw(t, "identity")
	want, followUp := p.model.ensure(name)
	run, created, err := p.Ensure(context.Background(), Request{
		Identity: p.identity(name), MaxAttempts: 2, Once: once(name), Follows: follows(name), Cools: cools(name),
	})
	switch {
	case err != nil:
		t.Fatal(err)
	case created != (want == nil), want != nil && want.id != run.ID:
		t.Fatalf("%s: run %s, created %t; the model says %+v", name, run.ID, created, want)
	case created:
		p.model.add(&modelRun{id: run.ID, identity: name, status: "queued", most: 2, once: once(name), followUp: followUp, hasInput: true})
	}
}

// result hands in a result for a run's last hold, and reports whether the ledger took it.
func (p *play) result(t *rapid.T, id uuid.UUID, outcome Outcome) bool {
	r := Result{Hold: p.holds[id], Outcome: outcome, Ended: AttemptSucceeded, Input: []byte(`{}`)}
	if run := p.model.run(id); cools(run.identity) {
		r.Cooldown = time.Hour
	}
	done, err := p.Finish(context.Background(), []Result{r})
	if err != nil {
		t.Fatal(err)
	}
	return done[id]
}

func (p *play) succeed(t *rapid.T) {
	r := p.pick(t, running)
	if !p.result(t, r.id, Succeeded) {
		t.Fatalf("the owner's result was refused")
	}
	p.model.end(r, Succeeded)
	r.hasInput = true
}

func (p *play) fail(t *rapid.T) { p.park(t, false) }

func (p *play) snooze(t *rapid.T) { p.park(t, true) }

// park hands a run back, as a failed attempt or as none.
func (p *play) park(t *rapid.T, giveBack bool) {
	r := p.pick(t, running)
	parked := Requeue{Hold: p.holds[r.id], GiveBack: giveBack, Input: []byte(`{}`), Ended: AttemptFailed}
	stands, err := p.Requeue(context.Background(), []Requeue{parked})
	if err != nil {
		t.Fatal(err)
	}
	want := Pending
	switch {
	case r.cancel:
		want = Cancelled
	case !giveBack && r.attempt >= r.most:
		want = Failed
	}
	if stands[r.id] != want {
		t.Fatalf("the run stands as %q, the model says %q", stands[r.id], want)
	}
	r.hasInput = true
	if giveBack {
		r.most++
	}
	if want != Pending {
		p.model.end(r, want)
		return
	}
	r.status, r.token, r.leaseOver = "queued", uuid.Nil, false
}

// late is a result of an attempt that has lost its run (I9).
func (p *play) late(t *rapid.T) {
	r := p.pick(t, func(r *modelRun) bool {
		h, held := p.holds[r.id]
		return held && h.Token != r.token
	})
	if p.result(t, r.id, Succeeded) {
		t.Fatalf("a late result was taken")
	}
}

func (p *play) loseLease(t *rapid.T) {
	r := p.pick(t, running)
	r.leaseOver = true
	p.endLease(r.id)
}

func (p *play) sweep(t *rapid.T) {
	p.model.sweep()
	if _, err := p.Sweep(context.Background(), 100, 0); err != nil {
		t.Fatal(err)
	}
}

func (p *play) cancel(t *rapid.T) {
	r := p.pick(t, anyRun)
	if _, err := p.Cancel(context.Background(), r.id, "", ""); err != nil {
		t.Fatal(err)
	}
	switch r.status {
	case "queued":
		p.model.end(r, Cancelled)
	case "running":
		r.cancel = true
	}
}

func (p *play) retry(t *rapid.T) {
	r := p.pick(t, anyRun)
	run, err := p.Retry(context.Background(), r.id, "", []byte(`{}`))
	refused := r.status != "completed" || r.outcome == Succeeded || r.retried || p.model.active(r.identity, false) != nil
	if refused != (err != nil) {
		t.Fatalf("retry of %+v: %v", r, err)
	}
	if err == nil {
		r.retried = true
		p.model.add(&modelRun{id: run.ID, identity: r.identity, status: "queued", most: r.most, hasInput: true})
	}
}

func (p *play) suspend(t *rapid.T) {
	p.model.suspended = true
	if _, err := p.Suspend(context.Background(), p.tenant.ExternalID); err != nil {
		t.Fatal(err)
	}
}

func (p *play) resume(t *rapid.T) {
	p.model.suspended = false
	for _, r := range p.model.runs {
		r.parked = false
	}
	if _, _, err := p.Resume(context.Background(), p.tenant.ExternalID); err != nil {
		t.Fatal(err)
	}
}

// check compares every row of the tenant's.
func (p *play) check(t *rapid.T) {
	rows, err := p.pool.Query(context.Background(), `select id, status, outcome, attempt, max_attempts, follow_up, once,
		coalesce(due_at = 'infinity', false), input is not null from oprun.operation_runs where tenant_id = $1`, p.tenant.ID)
	if err != nil {
		t.Fatal(err)
	}
	got, err := pgx.CollectRows(rows, pgx.RowToStructByPos[row])
	if err != nil {
		t.Fatal(err)
	}
	want := p.model.rows()
	byID := func(a, b row) int { return strings.Compare(a.ID.String(), b.ID.String()) }
	slices.SortFunc(got, byID)
	slices.SortFunc(want, byID)
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Fatal(fmt.Sprint("rows (-model +ledger):\n", diff))
	}
}
