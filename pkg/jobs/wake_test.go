package jobs

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"oprun.example/pkg/events"
)

func TestWake(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	heard := make(chan time.Time, 10_000) // filled by the subscription, never closed
	must(s.conn.Subscribe(events.WakeSubject(s.topology.Stream), func(*nats.Msg) { heard <- time.Now() }))(t)
	check(t, s.conn.Flush())
	d := s.dispatcher()
	begun := time.Now()
	for range cap(heard) {
		d.With(DispatchOptions{Initiator: "a copy"}).Wake()
	}
	last := time.Now()
	d.Wake()
	s.eventually("a wake-up of the last call", func() bool {
		for {
			select {
			case at := <-heard:
				if at.After(last) {
					return true
				}
			default:
				return false
			}
		}
	})
	if most := uint64(time.Since(begun)/wakePause) + 2; s.conn.Stats().OutMsgs > most+100 {
		t.Errorf("%d messages were sent, at most %d of them wake-ups", s.conn.Stats().OutMsgs, most)
	}
	for range 2 { // without a connection, or with one that is away, nobody is woken and nothing fails
		s.conn.Close()
		d.Wake()
		NewDispatcher(s.ledger, s.catalog, nil, DispatcherConfig{}).Wake()
	}
}
