package jobs

import (
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// inbox receives what the broker sends for one puller's pulls. It is a channel, since the client library's NextMsg takes
// a job that looks like one of its own status messages for an error, and the job is gone.
type inbox struct {
	sub      *nats.Subscription
	messages chan *nats.Msg // the client library sends; it never blocks: no more is asked for than there is room
	closed   chan struct{}  // closed when nothing more will come
}

func openInbox(conn *nats.Conn) (*inbox, error) {
	// Two pulls: the broker may still be sending for one that has expired here. Each has a few words of the broker's.
	in := &inbox{messages: make(chan *nats.Msg, 4*maxPull), closed: make(chan struct{})}
	sub, err := conn.ChanSubscribe(conn.NewInbox(), in.messages)
	if err != nil {
		return nil, fmt.Errorf("subscribe for pulls: %w", err)
	}
	in.sub = sub
	once := sync.OnceFunc(func() { close(in.closed) })
	sub.SetClosedHandler(func(string) { once() })
	return in, nil
}

// next returns the next message; nats.ErrTimeout after that long without any, and nats.ErrBadSubscription when nothing
// more will come.
func (in *inbox) next(patience time.Duration) (*nats.Msg, error) {
	select {
	case msg := <-in.messages:
		return msg, nil
	default:
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case msg := <-in.messages:
		return msg, nil
	case <-timer.C:
		return nil, nats.ErrTimeout
	case <-in.closed:
	}
	select { // what came before it was closed
	case msg := <-in.messages:
		return msg, nil
	default:
		return nil, nats.ErrBadSubscription
	}
}
