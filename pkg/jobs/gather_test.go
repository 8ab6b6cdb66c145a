package jobs

import (
	"testing"
	"testing/synctest"
	"time"
)

// gathering is a gatherer with nothing around it.
func gathering(t *testing.T, test func(w *Worker)) {
	t.Helper()
	synctest.Test(t, func(*testing.T) {
		w := &Worker{done: make(chan *attempt, 3*maxBatch), results: make(chan []*attempt)}
		go w.gatherLoop()
		test(w)
		close(w.done)
		for range w.results { // until the gatherer has ended
		}
	})
}

func give(w *Worker, n int) {
	for range n {
		w.done <- &attempt{}
	}
}

func TestResults(t *testing.T) {
	t.Parallel()
	t.Run("a lone result goes at once", func(t *testing.T) {
		t.Parallel()
		gathering(t, func(w *Worker) {
			for range 3 {
				<-time.After(time.Second)
				began := time.Now()
				give(w, 1)
				if batch := <-w.results; len(batch) != 1 || !time.Now().Equal(began) {
					t.Errorf("%d results after %s, want one at once", len(batch), time.Since(began))
				}
			}
		})
	})
	t.Run("results in close order wait for each other, and not for long", func(t *testing.T) {
		t.Parallel()
		gathering(t, func(w *Worker) {
			give(w, 1)
			<-w.results
			began := time.Now()
			for range 3 {
				give(w, 1)
				<-time.After(linger / 4)
			}
			if batch := <-w.results; len(batch) != 3 || time.Since(began) != linger {
				t.Errorf("%d results after %s, want 3 after %s", len(batch), time.Since(began), linger)
			}
		})
	})
	t.Run("a full batch waits for nobody", func(t *testing.T) {
		t.Parallel()
		gathering(t, func(w *Worker) {
			give(w, 1)
			<-w.results
			began := time.Now()
			give(w, maxBatch+1)
			if batch := <-w.results; len(batch) != maxBatch || !time.Now().Equal(began) {
				t.Errorf("%d results after %s, want %d at once", len(batch), time.Since(began), maxBatch)
			}
			if batch := <-w.results; len(batch) != 1 {
				t.Errorf("then %d results, want one", len(batch))
			}
		})
	})
	t.Run("a batch grows while the lanes are busy, up to its limit", func(t *testing.T) {
		t.Parallel()
		gathering(t, func(w *Worker) {
			give(w, 2)
			synctest.Wait()
			give(w, maxBatch)
			synctest.Wait()
			if batch := <-w.results; len(batch) != maxBatch {
				t.Errorf("%d results, want %d", len(batch), maxBatch)
			}
			if batch := <-w.results; len(batch) != 2 {
				t.Errorf("then %d results, want the other 2", len(batch))
			}
		})
	})
	t.Run("the last results are handed on when no more will come", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w := &Worker{done: make(chan *attempt, 3), results: make(chan []*attempt)}
			give(w, 3)
			close(w.done)
			go w.gatherLoop()
			if batch := <-w.results; len(batch) != 3 {
				t.Errorf("%d results, want 3", len(batch))
			}
			if _, open := <-w.results; open {
				t.Error("the gatherer goes on")
			}
		})
	})
}
