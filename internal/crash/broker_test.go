//go:build failpoint

package crash

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"oprun.example/internal/devstack"
	"oprun.example/internal/failpoint"
)

// streamStories take the stream's messages away while a worker is broken. What was born in the ledger survives that.
func streamStories() map[string]story {
	found := map[string]story{}
	for name, lose := range map[string]func(*scene){"purged": (*scene).purge, "made anew": (*scene).remake} {
		for action, point := range map[string]failpoint.Point{
			kills: failpoint.RunDuring, stops: failpoint.RunDuring, fails: failpoint.PubAck, delays: failpoint.ClaimBefore,
		} {
			found["stream "+name+" "+action] = func(s *scene) {
				s.begin()
				s.dispatch("a")
				s.dispatch("b")
				victim := s.worker(fault(point, action))
				victim.strikes()
				lose(s)
				s.worker("")
				if action == stops {
					s.outlasts(victim)
				}
				s.end()
			}
		}
	}
	return found
}

// beBroker is the main of a broker process, which says its address on stdout. Every message is on disk before it is
// acknowledged.
func beBroker() error {
	port, err := strconv.Atoi(os.Getenv("OPRUN_CRASH_TEST_PORT"))
	if err != nil {
		return err
	}
	server, err := devstack.StartNATS(devstack.NATSConfig{Port: port, StoreDir: os.Getenv("OPRUN_CRASH_TEST_STORE"), Durable: true})
	if err != nil {
		return err
	}
	fmt.Println(server.URL())
	select {} // until it is killed, or its parent ends
}

// startBroker starts a broker process and returns its address; port -1 is a free one.
func (s *scene) startBroker(store, port string) (broker *process, url string) {
	s.t.Helper()
	broker = spawn(s.t, "broker", "OPRUN_CRASH_TEST_STORE="+store, "OPRUN_CRASH_TEST_PORT="+port)
	url = must(broker.stdout.ReadString('\n'))(s.t)
	return broker, strings.TrimSpace(url)
}

// brokerStories break the broker while jobs are in hand, on their way and born.
func brokerStories() map[string]story {
	return map[string]story{
		"broker " + kills: func(s *scene) {
			store := s.t.TempDir()
			broker, url := s.startBroker(store, "-1")
			s.beginOn(url, devstack.Database(s.t))
			s.inHand()
			broker.kill()
			s.dispatch("while it is away")
			s.startBroker(store, url[strings.LastIndex(url, ":")+1:])
			s.publish(args{Key: "after"})
			s.end()
		},
		"broker " + stops: func(s *scene) {
			broker, url := s.startBroker(s.t.TempDir(), "-1")
			s.beginOn(url, devstack.Database(s.t))
			s.inHand()
			broker.signal(syscall.SIGSTOP)
			s.dispatch("while it is away")
			pass(shortLease + shortAckWait)
			broker.cont()
			s.publish(args{Key: "after"})
			s.end()
		},
	}
}

// inHand starts two workers, and returns when one of them has jobs in hand.
func (s *scene) inHand() {
	s.t.Helper()
	s.load()
	victim := s.worker("run.during=delay(1s)*3")
	victim.strikes()
	s.worker("").started()
}

// pass lets time pass: for what has to go on for some time, there is no fact to wait for.
func pass(d time.Duration) { <-time.After(d) }
