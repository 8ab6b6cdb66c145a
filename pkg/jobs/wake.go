package jobs

import (
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// wakePause is how long a dispatcher leaves the relays alone after a wake-up: what is asked for meanwhile is one look.
const wakePause = 2 * time.Millisecond

// Wake has one worker's relay look at once, or a moment after the last wake-up, for callers of [Dispatcher.DispatchTx] who
// do not want to wait for its next look after their commit. A wake-up that gets lost costs just that wait.
func (d *Dispatcher) Wake() { d.waker.wake() }

// waker sends wake-ups. It is shared by all copies of a dispatcher, and safe for concurrent use.
type waker struct {
	conn    *nats.Conn // nil: nobody is woken
	subject string

	mu    sync.Mutex
	last  time.Time // when the last wake-up was sent
	waits bool      // one is to be sent in a moment, and stands for all that come before it
}

func (w *waker) wake() {
	if w.conn == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	pause := wakePause - time.Since(w.last)
	switch {
	case w.waits:
	case pause > 0:
		w.waits = true
		time.AfterFunc(pause, w.late)
	default:
		w.send()
	}
}

// late sends the wake-up that waited.
func (w *waker) late() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waits = false
	w.send()
}

func (w *waker) send() {
	if !w.conn.IsConnected() { // the client would keep it for later, and later is too late
		return
	}
	w.last = time.Now()
	_ = w.conn.Publish(w.subject, nil)
}
