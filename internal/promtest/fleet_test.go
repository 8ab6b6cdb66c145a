package promtest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"oprun.example/internal/devstack"
)

const (
	orderType = "orders.place"
	// concurrency is the jobs that one consumer has in hand.
	concurrency = 4
)

// fleet is two consumers, as they are shipped, on a stack of their own.
type fleet struct {
	binary    string
	env       []string
	tenant    string
	server    *devstack.NATS
	consumers []*consumer
}

type consumer struct {
	cmd     *exec.Cmd
	address string // of its metrics
	ended   chan struct{}
}

func startFleet(t *testing.T) *fleet {
	t.Helper()
	server, err := devstack.StartNATS(devstack.NATSConfig{Port: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	dir := t.TempDir()
	f := &fleet{binary: build(t, "consumer"), server: server}
	f.env = append(os.Environ(), "DATABASE_URL="+devstack.Database(t), "NATS_URL="+server.URL(), "NATS_CREDS=",
		"OPRUN_METRICS_LISTEN=127.0.0.1:0", "OPRUN_AUDIT_EVERY=1s", "OPRUN_LOG_FORMAT=text",
		"OPRUN_CATALOG="+filepath.Join(dir, "jobs.yaml"), fmt.Sprintf("OPRUN_CONCURRENCY=%d", concurrency))
	catalog := fmt.Sprintf("version: 1\njobs: {%[1]s: {scope: tenant, identity: [number]}}\nhandlers: {%[1]s: {http: %q}}\n", orderType, startShop(t))
	if err := os.WriteFile(filepath.Join(dir, "jobs.yaml"), []byte(catalog), 0o600); err != nil {
		t.Fatal(err)
	}
	f.command(t, "topology", "apply", "--max-bytes", "64MB")
	var seeded struct {
		Tenant struct {
			ExternalID string `json:"external_id"`
		}
	}
	if err := json.Unmarshal(f.command(t, "seed", "--output", "json"), &seeded); err != nil || seeded.Tenant.ExternalID == "" {
		t.Fatalf("seed: no tenant (%v)", err)
	}
	f.tenant = seeded.Tenant.ExternalID
	for range 2 {
		f.consumers = append(f.consumers, f.start(t))
	}
	return f
}

// build makes one of the shipped programs, as it is shipped.
func build(t *testing.T, program string) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), program)
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "oprun.example/cmd/"+program).CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return binary
}

// startShop serves the handler of the orders: every tenth is refused for good. It holds the first ones back until there
// are more than one consumer may have in hand, so that both have done some.
func startShop(t *testing.T) string {
	t.Helper()
	var (
		mu      sync.Mutex
		waiting int
		both    = make(chan struct{}) // closed by the request that only a second consumer can have made
	)
	shop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var order struct{ Number int }
		err := json.NewDecoder(r.Body).Decode(&order)
		mu.Lock()
		if waiting++; waiting == concurrency+1 {
			close(both)
		}
		mu.Unlock()
		select {
		case <-both:
		case <-r.Context().Done():
		}
		if err != nil || order.Number%10 == 0 {
			w.WriteHeader(http.StatusUnprocessableEntity)
		}
	}))
	t.Cleanup(shop.Close)
	return shop.URL
}

// command runs a subcommand to its end and returns what it wrote.
func (f *fleet) command(t *testing.T, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), f.binary, args...)
	cmd.Env = f.env
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("consumer %v: %v", args, err)
	}
	return out
}

// start runs a consumer until the test ends, and returns when its metrics can be asked for.
func (f *fleet) start(t *testing.T) *consumer {
	t.Helper()
	c := &consumer{cmd: exec.Command(f.binary, "run"), ended: make(chan struct{})}
	c.cmd.Env = f.env
	log, err := c.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.stop)
	address := make(chan string, 1) // written once, by the reader of the log
	go func() {
		defer close(c.ended)
		listens := regexp.MustCompile(`metrics listener started.*address=(\S+)`)
		for lines := bufio.NewScanner(log); lines.Scan(); {
			fmt.Fprintln(t.Output(), lines.Text())
			if found := listens.FindStringSubmatch(lines.Text()); found != nil {
				address <- found[1]
			}
		}
	}()
	select {
	case c.address = <-address:
	case <-c.ended:
		t.Fatal("a consumer ended at its start")
	case <-time.After(patience):
		t.Fatalf("waited %s in vain for a consumer to listen", patience)
	}
	return c
}

// stop lets the consumer drain. A second call does nothing.
func (c *consumer) stop() {
	_ = c.cmd.Process.Signal(syscall.SIGTERM)
	<-c.ended
	_ = c.cmd.Wait()
}

// publish puts bodies on the subject of the orders, as any NATS client would.
func (f *fleet) publish(t *testing.T, bodies ...string) {
	t.Helper()
	conn, err := nats.Connect(f.server.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	for _, body := range bodies {
		if _, err := js.Publish(t.Context(), "jobs.tenant."+f.tenant+"."+orderType, []byte(body)); err != nil {
			t.Fatal(err)
		}
	}
}
