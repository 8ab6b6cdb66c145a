package deploytest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats-server/v2/server"

	"oprun.example/internal/devstack"
)

// patience is how long a play waits for a fact on a crowded machine.
const patience = time.Minute

// play is compose.yaml without an engine: its commands, with its users and rights, as processes on the embedded stack.
type play struct {
	t        *testing.T
	services map[string]composeService
	postgres string // the address of the database
	nats     string
}

// TestComposePlayed starts what compose.yaml starts, in its order, and has jobs done, by message and by ledger.
func TestComposePlayed(t *testing.T) {
	t.Parallel()
	var greeted atomic.Int32
	greeter := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if input, _ := io.ReadAll(r.Body); strings.Contains(string(input), "Nobody") {
			http.Error(w, "there is no Nobody", http.StatusBadRequest)
			return
		}
		greeted.Add(1)
	}))
	defer greeter.Close()
	p := newPlay(t, greeter.URL)
	p.mustRun("migrate")
	p.mustRun("topology")
	tenant := p.seed()
	first, second := p.start("consumer-1"), p.start("consumer-2")
	p.publish(tenant, "Ada")
	p.publish(tenant, "Grace", "--ledger")
	p.publish(tenant, "Nobody")
	p.await(2, "runs", "list", "--outcome", "succeeded")
	failed := p.await(1, "runs", "list", "--outcome", "failed")
	if greeted.Load() != 2 {
		t.Errorf("greeted %d, want 2", greeted.Load())
	}
	// Operators use the consumer's login.
	p.mustRun("consumer-1", "runs", "retry", failed[0])
	p.await(2, "runs", "list", "--outcome", "failed")
	p.mustRun("consumer-1", "audit")
	p.mustRun("consumer-1", "tenants", "suspend", tenant)
	p.mustRun("consumer-1", "deadletters", "list")
	// Nobody does what is another's.
	p.refused("look", "runs", "cancel", failed[0])
	p.refused("look", "tenants", "resume", tenant)
	p.refused("look", "deadletters", "list") // bodies are inputs
	p.refused("consumer-1", "tenants", "add", "another")
	p.refused("consumer-1", "migrate", "up")
	first.stop()
	second.stop()
}

// newPlay starts servers as compose.yaml has them: the database with roles and logins, NATS with nats.conf.
func newPlay(t *testing.T, handler string) *play {
	t.Helper()
	outside := map[string]string{"GREETINGS_URL": handler}
	for name, secret := range secrets {
		outside[name] = secret
	}
	p := &play{t: t, services: composed(t, outside).Services, postgres: devstack.EmptyDatabase(t)}
	conn := connect(t, p.postgres)
	makeRoles(t, conn)
	makeLogins(t, conn)
	servers, err := devstack.StartNATS(devstack.NATSConfig{Port: -1, Configure: func(o *server.Options) { configureNATS(t, o) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := servers.Close(); err != nil {
			t.Error(err)
		}
	})
	p.nats = servers.URL()
	return p
}

// configureNATS takes all from nats.conf but for the places of this machine.
func configureNATS(t *testing.T, options *server.Options) {
	t.Helper()
	file, err := server.ProcessConfigFile("../../deploy/nats/nats.conf")
	if err != nil {
		t.Fatalf("nats.conf: %v", err)
	}
	if !file.JetStream || !file.SyncAlways {
		t.Error("nats.conf does not sync every message")
	}
	file.Host, file.Port, file.HTTPHost, file.HTTPPort = options.Host, options.Port, "", 0
	file.StoreDir, file.NoSigs, file.NoLog = options.StoreDir, true, true
	*options = *file
}

// makeLogins runs logins.sql, once for the server.
func makeLogins(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	roles.Lock()
	defer roles.Unlock()
	var there bool
	if err := conn.QueryRow(t.Context(), "select to_regrole('oprun_consumer') is not null").Scan(&there); err != nil {
		t.Fatal(err)
	}
	if !there {
		execute(t, conn, logins(t))
	}
}

// logins is logins.sql as psql would send it.
func logins(t *testing.T) string {
	t.Helper()
	var statements strings.Builder
	values := map[string]string{}
	for line := range strings.Lines(read(t, "../../deploy/postgres/logins.sql")) {
		if words := strings.Fields(line); len(words) == 3 && words[0] == `\getenv` {
			values[words[1]] = secrets[words[2]]
			continue
		}
		statements.WriteString(line)
	}
	text := statements.String()
	for name, value := range values {
		text = strings.ReplaceAll(text, ":'"+name+"'", "'"+value+"'")
	}
	return text
}

// command is a service's program with its settings, on our servers, and with its own arguments or with others.
func (p *play) command(name string, args ...string) *exec.Cmd {
	p.t.Helper()
	service, ok := p.services[name]
	if !ok {
		p.t.Fatalf("compose.yaml has no %s", name)
	}
	words := service.words()
	if len(args) > 0 {
		words = append(words[:1:1], args...)
	}
	catalogue, err := filepath.Abs("../../deploy/jobs.yaml")
	if err != nil {
		p.t.Fatal(err)
	}
	env := []string{"OPRUN_CATALOG=" + catalogue, "OPRUN_METRICS_LISTEN=127.0.0.1:0"}
	for variable, value := range service.Environment {
		env = append(env, variable+"="+p.here(variable, value))
	}
	return command(p.t, env, words...)
}

// here turns an address of compose's network into one of ours. The user stays.
func (p *play) here(variable, value string) string {
	ours := map[string]string{"DATABASE_URL": p.postgres, "NATS_URL": p.nats}[variable]
	if ours == "" {
		return value
	}
	theirs, err := url.Parse(value)
	if err != nil {
		p.t.Fatalf("%s: %v", variable, err)
	}
	address, err := url.Parse(ours)
	if err != nil {
		p.t.Fatal(err)
	}
	address.User = theirs.User
	return address.String()
}

func (p *play) run(name string, args ...string) (stdout, stderr string, err error) {
	p.t.Helper()
	var out, said bytes.Buffer
	cmd := p.command(name, args...)
	cmd.Stdout, cmd.Stderr = &out, &said
	err = cmd.Run()
	return out.String(), said.String(), err
}

func (p *play) mustRun(name string, args ...string) string {
	p.t.Helper()
	out, said, err := p.run(name, args...)
	if err != nil {
		p.t.Fatalf("%s %v: %v\n%s", name, args, err, said)
	}
	return out
}

// publish asks for a greeting.
func (p *play) publish(tenant, name string, flags ...string) {
	p.t.Helper()
	args := append([]string{"publish", "--type", "greetings.send", "--tenant", tenant, "--input", `{"name": "` + name + `"}`}, flags...)
	p.mustRun("publisher", args...)
}

// refused checks that a command fails for the want of a right.
func (p *play) refused(name string, args ...string) {
	p.t.Helper()
	_, said, err := p.run(name, args...)
	if err == nil || !strings.Contains(said, "permission denied") {
		p.t.Errorf("%s %v: %v\n%s", name, args, err, said)
	}
}

// seed runs the service, and returns the tenant's id.
func (p *play) seed() string {
	p.t.Helper()
	var made struct {
		Tenant struct {
			ExternalID string `json:"external_id"`
		}
	}
	text := p.mustRun("seed", append(p.services["seed"].Command, "--output", "json")...)
	if err := json.Unmarshal([]byte(text), &made); err != nil || made.Tenant.ExternalID == "" {
		p.t.Fatalf("%s: %v", text, err)
	}
	return made.Tenant.ExternalID
}

// await asks as the reader until a list is this long, and returns its ids.
func (p *play) await(length int, args ...string) (ids []string) {
	p.t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); len(ids) != length; <-tick.C {
		if time.Now().After(deadline) {
			p.t.Fatalf("%v: %d after %s, want %d", args, len(ids), patience, length)
		}
		ids = nil
		lines := json.NewDecoder(strings.NewReader(p.mustRun("look", append(args, "--output", "ndjson")...)))
		for {
			var run struct{ ID string }
			err := lines.Decode(&run)
			if err == io.EOF {
				break
			}
			if err != nil {
				p.t.Fatal(err)
			}
			ids = append(ids, run.ID)
		}
	}
	return ids
}

// started is a service that runs.
type started struct {
	t   *testing.T
	cmd *exec.Cmd
	log bytes.Buffer // to be read after stop
}

func (p *play) start(name string) *started {
	p.t.Helper()
	s := &started{t: p.t, cmd: p.command(name)}
	s.cmd.Stderr = &s.log
	s.cmd.Cancel = func() error { return s.cmd.Process.Signal(syscall.SIGTERM) }
	s.cmd.WaitDelay = patience
	if err := s.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	return s
}

// stop asks it to, and wants it to end well, and never to have lacked a right.
func (s *started) stop() {
	s.t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Errorf("stop: %v", err)
	}
	if err := s.cmd.Wait(); err != nil {
		s.t.Errorf("the consumer ended with %v\n%s", err, s.log.String())
	}
	if text := s.log.String(); strings.Contains(text, "nats refused") || strings.Contains(text, "permission denied") {
		s.t.Errorf("the consumer lacks a right:\n%s", text)
	}
}
