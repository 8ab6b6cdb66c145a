package jobs

import (
	"sync"

	"oprun.example/pkg/oprun"
)

// How many claims may be in flight at once. Few and large ones cost least for each job; but with little to do a message
// must not wait for the answer to another's claim.
const (
	busyClaims = 2  // while there is much to claim
	calmClaims = 4  // while few deliveries are in flight together
	fewClaimed = 32 // so many are few
)

// claimLoop judges arrivals until their channel is closed: what arrived while the ledger was busy is the next batch.
func (w *Worker) claimLoop() {
	batches, answered := make(chan []*delivery), make(chan int, calmClaims) // how many deliveries a claim was for
	var lanes sync.WaitGroup
	defer lanes.Wait()
	defer close(batches)
	for range calmClaims {
		lanes.Go(func() {
			lane := claimLane{Worker: w}
			for batch := range batches {
				lane.take(batch)
				answered <- len(batch)
			}
		})
	}
	var flying claims
	for first := range w.arrivals {
		batch := flying.gather(gather(make([]*delivery, 0, 32), first, w.arrivals), w.arrivals, answered)
		flying.begin(len(batch))
		batches <- batch // a lane is free
	}
}

// claims are those in flight.
type claims struct{ statements, deliveries int }

func (c *claims) begin(deliveries int) {
	c.statements++
	c.deliveries += deliveries
}

func (c *claims) end(deliveries int) {
	c.statements--
	c.deliveries -= deliveries
}

// admit tells whether one more may begin.
func (c *claims) admit(deliveries int) bool {
	return c.statements < busyClaims || c.statements < calmClaims && c.deliveries+deliveries <= fewClaimed
}

// gather adds to a batch what arrives until its claim may begin.
func (c *claims) gather(batch []*delivery, arrivals <-chan *delivery, answered <-chan int) []*delivery {
	for more := arrivals; !c.admit(len(batch)); {
		if len(batch) == maxBatch {
			more = nil
		}
		select {
		case n := <-answered:
			c.end(n)
		case next, open := <-more:
			if !open {
				more = nil
				continue
			}
			batch = append(batch, next)
		}
	}
	return batch
}

// claimLane is what one lane keeps from batch to batch.
type claimLane struct {
	*Worker
	asked     []*delivery      // what the ledger is asked about
	questions []oprun.Delivery // in the same order
}

// take judges a batch, or hands it back when the worker stops.
func (l *claimLane) take(batch []*delivery) {
	if l.stopping.Err() != nil {
		l.handBack(batch, 0)
		return
	}
	l.judge(batch)
}
