package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
)

// Payload is what a job carries, in every system: about 180 bytes of JSON, of which two fields make it the same job as
// another, where a system looks at that. It is exported, since River does not see the tags of an embedded type that is not.
type Payload struct {
	ConnectionID string `json:"connection_id" river:"unique"`
	PolicyType   string `json:"policy_type"   river:"unique"`
	N            int    `json:"n"`
	Note         string `json:"note"`
}

var identityFields = []string{"connection_id", "policy_type"}

func payloadOf(n int) Payload {
	return Payload{ConnectionID: fmt.Sprintf("c-%d", n), PolicyType: "compliance", N: n, Note: strings.Repeat("x", 100)}
}

// The effect of a job, where it has one, is one row; the same in every system.
const (
	createEffects = "create table effects (n bigint not null, note text not null, at timestamptz not null default now())"
	insertEffect  = "insert into effects (n, note) values ($1, $2)"
	countEffects  = "select count(*) from effects"
	differentJobs = "select count(distinct n) from effects"
)

func makeEffects(ctx context.Context, s *stage) error { return s.execute(ctx, createEffects) }

// decodeInput is what a handler needs that is given bytes.
func decodeInput(input []byte) error {
	var p Payload
	return json.Unmarshal(input, &p)
}

// countdown calls a function once, when so many jobs were handled.
type countdown struct {
	left atomic.Int64
	then func()
}

func countTo(jobs int, then func()) *countdown {
	c := &countdown{then: then}
	c.left.Store(int64(jobs))
	return c
}

func (c *countdown) handled() {
	if c.left.Add(-1) == 0 {
		c.then()
	}
}

// shared calls do for all jobs, a batch at a time, from so many goroutines.
func (s *stage) shared(callers, batch int, do func(from, to int) error) error {
	starts := make(chan int, s.Jobs/batch+1) // filled and closed here
	for from := 0; from < s.Jobs; from += batch {
		starts <- from
	}
	close(starts)
	errs := make([]error, callers)
	var group sync.WaitGroup
	for i := range callers {
		group.Go(func() {
			for from := range starts {
				if errs[i] = do(from, min(from+batch, s.Jobs)); errs[i] != nil {
					return
				}
			}
		})
	}
	group.Wait()
	return errors.Join(errs...)
}
