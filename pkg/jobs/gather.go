package jobs

import "time"

// linger is how long a result waits for others while results come in close order. It costs no job a start: claims
// never linger (docs/performance.md).
const linger = 5 * time.Millisecond

// gatherLoop makes batches of the results of attempts, until their channel is closed.
func (w *Worker) gatherLoop() {
	defer close(w.results)
	timer := time.NewTimer(linger)
	defer timer.Stop()
	var last time.Time
	for first := range w.done {
		batch := gather(make([]*attempt, 0, 32), first, w.done)
		if wait := linger - time.Since(last); wait > 0 {
			timer.Reset(wait)
			batch = w.gatherUntil(timer.C, batch)
		}
		w.offer(batch)
		last = time.Now()
	}
}

// gatherUntil adds results to a batch until the time is up, the batch is full, or no more will come.
func (w *Worker) gatherUntil(up <-chan time.Time, batch []*attempt) []*attempt {
	for len(batch) < maxBatch {
		select {
		case <-up:
			return batch
		case next, open := <-w.done:
			if !open {
				return batch
			}
			batch = append(batch, next)
		}
	}
	return batch
}

// offer passes a batch to the first lane that is free. What comes meanwhile is added to it: while the ledger is busy,
// batches grow by themselves.
func (w *Worker) offer(batch []*attempt) {
	for more := w.done; ; {
		if len(batch) == maxBatch {
			more = nil
		}
		select {
		case w.results <- batch:
			return
		case next, open := <-more:
			if !open {
				more = nil
				continue
			}
			batch = append(batch, next)
		}
	}
}
