package torture

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"
	"syscall"
	"time"

	"oprun.example/pkg/dedupe"
)

// nemesis breaks things, one after the other and sometimes several at once, as the seed says.
type nemesis struct {
	*stage
	consumers *consumers
	config    Config
	rng       *rand.Rand
	postgres  sync.Mutex // held while the database is down

	mu   sync.Mutex
	did  map[string]int
	errs []error
}

// fault is something that the nemesis does, how often among a hundred, and what it does.
type fault struct {
	name   string
	weight int
	do     func(n *nemesis, ctx context.Context, rng *rand.Rand, number int) error
}

var faults = []fault{
	{"consumer killed", 24, (*nemesis).killConsumer},
	{"consumer frozen", 16, (*nemesis).freezeConsumer},
	{"consumer stopped", 12, (*nemesis).stopConsumer},
	{"postgres restarted", 8, (*nemesis).restartPostgres},
	{"postgres killed", 8, (*nemesis).killPostgres},
	{"nats killed", 10, (*nemesis).killNATS},
	{"stream purged", 8, (*nemesis).purge},
	{"stream made anew", 6, (*nemesis).recreate},
	{"transaction held", 6, (*nemesis).hold},
	{"tenant suspended", 6, (*nemesis).suspend},
}

func newNemesis(s *stage, c *consumers, config Config) *nemesis {
	return &nemesis{stage: s, consumers: c, config: config, rng: rand.New(rand.NewPCG(config.Seed, 1<<32)), did: map[string]int{}}
}

// run spends the faults. It fails when a server that was taken down does not come back.
func (n *nemesis) run(ctx context.Context) error {
	const atOnce = 3
	slots := make(chan struct{}, atOnce)
	var running sync.WaitGroup
	defer running.Wait()
	for number := range n.config.Faults {
		if !wait(ctx, n.gap()) {
			break
		}
		f := n.choose()
		rng := rand.New(rand.NewPCG(n.config.Seed, 1<<33+uint64(number)))
		slots <- struct{}{}
		running.Go(func() {
			defer func() { <-slots }()
			err := f.do(n, ctx, rng, number)
			n.mu.Lock()
			defer n.mu.Unlock()
			n.did[f.name]++
			if err != nil {
				n.errs = append(n.errs, fmt.Errorf("%s: %w", f.name, err))
			}
		})
	}
	running.Wait()
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.errs) > 0 {
		return n.errs[0]
	}
	return nil
}

// gap is how long the system is left alone: mostly for a while, sometimes hardly at all.
func (n *nemesis) gap() time.Duration {
	if n.rng.Float64() < 0.25 {
		return time.Duration(n.rng.Float64() * 0.15 * float64(n.config.Gap))
	}
	return time.Duration((0.7 + 1.2*n.rng.Float64()) * float64(n.config.Gap))
}

func (n *nemesis) choose() fault {
	total := 0
	for _, f := range n.config.faults {
		total += f.weight
	}
	at := n.rng.IntN(total)
	for _, f := range n.config.faults {
		if at -= f.weight; at < 0 {
			return f
		}
	}
	panic("unreachable: at is less than the sum")
}

// count is how many faults are over.
func (n *nemesis) count() int {
	sum := 0
	for _, times := range n.faults() {
		sum += times
	}
	return sum
}

func (n *nemesis) faults() map[string]int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return maps.Clone(n.did)
}

func (n *nemesis) killConsumer(ctx context.Context, rng *rand.Rand, _ int) error {
	if victim := n.consumers.pick(rng, true); victim != nil {
		victim.signal(syscall.SIGKILL)
	}
	wait(ctx, upTo(rng, time.Second))
	return n.consumers.start(ctx)
}

// freezeConsumer stops a process in its tracks until its leases are over, and lets it go on as if nothing had been.
func (n *nemesis) freezeConsumer(ctx context.Context, rng *rand.Rand, _ int) error {
	victim := n.consumers.pick(rng, false)
	if victim == nil {
		return nil
	}
	victim.signal(syscall.SIGSTOP)
	wait(ctx, lease+upTo(rng, 3*time.Second))
	victim.signal(syscall.SIGCONT)
	return nil
}

func (n *nemesis) stopConsumer(ctx context.Context, rng *rand.Rand, _ int) error {
	if victim := n.consumers.pick(rng, true); victim != nil {
		victim.signal(syscall.SIGTERM)
	}
	return n.consumers.start(ctx)
}

func (n *nemesis) restartPostgres(ctx context.Context, _ *rand.Rand, _ int) error {
	n.postgres.Lock()
	defer n.postgres.Unlock()
	return n.stage.postgres.Restart(context.WithoutCancel(ctx))
}

func (n *nemesis) killPostgres(ctx context.Context, rng *rand.Rand, _ int) error {
	n.postgres.Lock()
	defer n.postgres.Unlock()
	n.stage.postgres.Kill()
	wait(ctx, upTo(rng, 3*time.Second))
	return n.stage.postgres.Restart(context.WithoutCancel(ctx))
}

func (n *nemesis) killNATS(ctx context.Context, rng *rand.Rand, _ int) error {
	return n.broker.crash(ctx, upTo(rng, 3*time.Second))
}

// purge empties the stream of the second world. What clients publish themselves, to the first, is as durable as their
// stream, by definition.
func (n *nemesis) purge(ctx context.Context, _ *rand.Rand, _ int) error {
	return n.insist(ctx, func(ctx context.Context) error {
		stream, err := n.js.Stream(ctx, n.worlds[1].topology.Stream)
		if err != nil {
			return err
		}
		return stream.Purge(ctx)
	})
}

// recreate deletes that stream with its consumer, and makes both anew: sequence numbers begin at 1 again.
func (n *nemesis) recreate(ctx context.Context, rng *rand.Rand, _ int) error {
	ledger := n.worlds[1]
	_ = n.js.DeleteStream(ctx, ledger.topology.Stream)
	wait(ctx, upTo(rng, time.Second))
	return n.insist(ctx, func(ctx context.Context) error { return ledger.apply(ctx, n.js) })
}

// insist tries until it works: the broker may be down.
func (n *nemesis) insist(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		err := do(ctx)
		if err == nil || !wait(ctx, 200*time.Millisecond) {
			return err
		}
	}
}

// hold keeps a caller's transaction open on an identity that many ask for.
func (n *nemesis) hold(ctx context.Context, rng *rand.Rand, number int) error {
	a := ask{number: number, way: byLedger, world: one(rng, n.worlds[:]), kind: n.kinds[0], key: fmt.Sprint("hot-", rng.IntN(15))}
	a.scope = one(rng, a.world.scopes[dedupe.TenantScope])
	n.history.note(a.invoked())
	n.transact(ctx, a, 2*time.Second+upTo(rng, 4*time.Second), rng.Float64() < 0.5)
	return nil
}

// suspend lets a tenant rest for a while.
func (n *nemesis) suspend(ctx context.Context, rng *rand.Rand, _ int) error {
	w := one(rng, n.worlds[:])
	tenant := one(rng, w.scopes[dedupe.TenantScope]).ID
	_, _ = w.ledger.Suspend(ctx, tenant)
	wait(ctx, upTo(rng, 4*time.Second))
	return n.insist(context.WithoutCancel(ctx), func(ctx context.Context) error {
		_, _, err := w.ledger.Resume(ctx, tenant)
		return err
	})
}

func upTo(rng *rand.Rand, longest time.Duration) time.Duration {
	return time.Duration(rng.Float64() * float64(longest))
}
