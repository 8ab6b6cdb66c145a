package torture

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/google/uuid"

	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
)

// How many clients ask at once, on each way in.
const (
	messageClients = 5
	ledgerClients  = 4
)

// client asks for jobs, one after the other, at its pace. What it asks for follows from the seed; what it is told is
// up to the faults.
type client struct {
	*stage
	publisher *events.Publisher
	rng       *rand.Rand
	first     int // its requests are numbered from here
	jobs      int
	pace      time.Duration // between two requests
	last      ask           // the request before
	again     []retry
}

// ask is one request, as its client means it.
type ask struct {
	number    int
	way       way
	world     *world
	kind      kind
	scope     dedupe.Scope
	key       string
	requestID string
	named     bool // whether it says its request id: then it may be asked again
}

// numbersApart keeps the clients' request numbers apart.
const numbersApart = 10_000_000

// runClients runs all clients until each has asked for its share and asked again what it has to.
func (s *stage) runClients(ctx context.Context, config Config) {
	var running sync.WaitGroup
	clients := messageClients + ledgerClients
	publisher := events.NewPublisher(s.js, events.PublisherConfig{AckTimeout: time.Second, Tries: 2})
	for i := range clients {
		share := config.Jobs / clients
		if i < config.Jobs%clients {
			share++
		}
		c := &client{
			stage: s, publisher: publisher, rng: rand.New(rand.NewPCG(config.Seed, uint64(i))),
			first: (i + 1) * numbersApart, jobs: share, pace: config.length() / time.Duration(max(1, share)),
		}
		running.Go(func() {
			if i < messageClients {
				c.run(ctx, c.message)
			} else {
				c.run(ctx, c.transaction)
			}
		})
	}
	running.Wait()
}

// run asks for the client's jobs. A client that was held up catches up as fast as it can.
func (c *client) run(ctx context.Context, do func(context.Context, int)) {
	start := time.Now()
	for i := range c.jobs {
		if !wait(ctx, time.Until(start.Add(time.Duration(i)*c.pace))) {
			return
		}
		c.retryDue(ctx)
		do(ctx, c.first+i)
	}
	for len(c.again) > 0 && wait(ctx, 100*time.Millisecond) {
		c.retryDue(ctx)
	}
}

// next makes up a request: mostly of an identity of its own, sometimes of one that many ask for, sometimes of that of
// the request before.
func (c *client) next(number int, by way) ask {
	a := ask{number: number, way: by, world: c.worlds[0], kind: c.someKind(), key: fmt.Sprint(number)}
	if by == byLedger && c.rng.Float64() < 0.6 {
		a.world = c.worlds[1]
	}
	a.scope = one(c.rng, a.world.scopes[a.kind.job.ScopeKind])
	const hot = 15
	switch luck := c.rng.Float64(); {
	case luck < 0.15, luck < 0.7 && a.kind.jobType == followType: // few would meet a running owner else
		a.key = fmt.Sprint("hot-", c.rng.IntN(hot))
	case luck < 0.25 && c.last.key != "":
		a.world, a.kind, a.scope, a.key = c.last.world, c.last.kind, c.last.scope, c.last.key
	}
	a.requestID = c.uuid().String()
	a.named = by == byRequest || by == byLedger && c.rng.Float64() < 0.5
	c.last = a
	return a
}

// uuid is a random UUID that follows from the seed.
func (c *client) uuid() (id uuid.UUID) {
	for i := range id {
		id[i] = byte(c.rng.Uint32())
	}
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	return id
}

func (c *client) someKind() kind {
	total := 0
	for _, k := range c.kinds {
		total += k.weight
	}
	n := c.rng.IntN(total)
	for _, k := range c.kinds {
		if n -= k.weight; n < 0 {
			return k
		}
	}
	panic("unreachable: n is less than the sum")
}

func one[T any](rng *rand.Rand, list []T) T { return list[rng.IntN(len(list))] }

// body is the input of the request, with its number.
func (a ask) body() []byte {
	body, err := json.Marshal(input{Key: a.key, Request: a.number})
	if err != nil {
		panic(err) // a string and a number
	}
	return body
}

// identity computes what any client of the catalogue would.
func (a ask) identity() (dedupe.Identity, error) {
	return a.kind.job.Rule().Identify(a.scope, a.kind.jobType, a.body(), dedupe.ByRequest(a.requestID, time.Time{}))
}

// runID is the run that the request makes, wherever and however often it is asked for.
func (a ask) runID() uuid.UUID {
	return dedupe.ByRequest(a.requestID, time.Time{}).RunID(a.scope, a.kind.jobType)
}

// invoked is the first line of the request in the history.
func (a ask) invoked() entry {
	e := entry{Request: a.number, Event: invoked, Way: a.way, Type: a.kind.jobType, Scope: a.scope.String(), Key: a.key}
	if a.named {
		e.RequestID, e.RunID = a.requestID, a.runID()
	}
	return e
}
