package load

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"oprun.example/internal/devstack"
	"oprun.example/pkg/catalog"
	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
	"oprun.example/pkg/jobs"
	"oprun.example/pkg/oprun"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(devstack.Tests{M: m}) }

const (
	good    = "load.good"    // succeeds
	bad     = "load.bad"     // fails
	unknown = "load.unknown" // no worker knows it
	home    = "load.home"    // belongs to a workspace
)

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func types(names ...string) catalog.Catalog {
	all := map[string]catalog.Job{
		good:    {ScopeKind: dedupe.TenantScope, Identity: []string{"name", "page"}},
		bad:     {ScopeKind: dedupe.TenantScope, Identity: []string{"name"}},
		unknown: {ScopeKind: dedupe.TenantScope, Identity: []string{}, IdentityMode: dedupe.RequestMode},
		home:    {ScopeKind: dedupe.WorkspaceScope, Identity: []string{"name"}},
	}
	some := catalog.Catalog{Jobs: map[string]catalog.Job{}}
	for _, name := range names {
		some.Jobs[name] = all[name]
	}
	return some
}

// config is a load on a broker and a ledger of its own, whose only limit is its count.
func config(t *testing.T, count int, names ...string) Config {
	t.Helper()
	conn, err := devstack.Server(t).Connect()
	check(t, err)
	t.Cleanup(func() { closeConn(t, conn) })
	js, err := jetstream.New(conn)
	check(t, err)
	_, err = events.DefaultTopology().Apply(t.Context(), js, false)
	check(t, err)
	ledger, err := oprun.Open(t.Context(), devstack.Pool(t))
	check(t, err)
	t.Cleanup(ledger.Close)
	workspace, tenant, err := ledger.Seed(t.Context(), "")
	check(t, err)
	declared, err := catalog.New(types(good, bad, unknown, home), nil)
	check(t, err)
	return Config{
		JS: js, Publisher: events.NewPublisher(js, events.PublisherConfig{}), Catalog: declared, Ledger: ledger,
		Types: names, Tenants: []uuid.UUID{tenant.ExternalID}, Workspace: workspace.ID,
		Count: count, For: time.Hour, Template: "{}", Wait: 2 * time.Minute,
	}
}

// closeConn waits until the connection's goroutines are gone.
func closeConn(t *testing.T, conn *nats.Conn) {
	t.Helper()
	closed := make(chan struct{}, 1) // filled by the connection's callback
	conn.SetClosedHandler(func(*nats.Conn) { closed <- struct{}{} })
	conn.Close()
	<-closed
}

// work has a worker run the jobs until the test ends.
func work(t *testing.T, c Config) {
	t.Helper()
	declared, err := catalog.New(types(good, bad, home), nil)
	check(t, err)
	mux := &jobs.Mux{}
	succeed := func(context.Context, *jobs.Job[struct{}]) error { return nil }
	jobs.Handle(mux, good, succeed)
	jobs.Handle(mux, home, succeed)
	jobs.Handle(mux, bad, func(context.Context, *jobs.Job[struct{}]) error { return jobs.Permanent(errors.New("it is bad")) })
	worker, err := jobs.NewWorker(c.JS, c.Ledger, declared, mux, jobs.Config{NoSchedules: true})
	check(t, err)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1) // of Run
	go func() { ended <- worker.Run(ctx) }()
	t.Cleanup(func() { stop(); check(t, <-ended) })
}

func mustRun(t *testing.T, c Config) Report {
	t.Helper()
	report, err := Run(t.Context(), c)
	check(t, err)
	return report
}

func TestRun_accounts_for_every_request(t *testing.T) {
	t.Parallel()
	c := config(t, 2000, good, home)
	c.Duplicates, c.Sizes, c.Seed = 30, []int{100, 1000}, 7
	work(t, c)
	r := mustRun(t, c)
	d, v := r.Duplicates, r.Verdicts
	if d.SameMessage == 0 || d.OtherMessage == 0 || d.SameIdentity == 0 || r.Messages != 2000 || r.Requests != 2000-d.SameMessage-d.OtherMessage {
		t.Errorf("it is not the load that was asked for: %+v", r)
	}
	if d.Suppressed != d.SameMessage {
		t.Errorf("%d messages were suppressed, and %d were the same", d.Suppressed, d.SameMessage)
	}
	if v.Runs["succeeded"]+v.Joined != r.Requests || v.Joined > d.SameIdentity || v.Failures()+v.Waiting() != 0 {
		t.Errorf("got %+v of %d requests", v, r.Requests)
	}
	if v.End.Count != v.Runs["succeeded"] || v.End.P50 <= 0 || v.End.P99 < v.End.P50 || r.Ack.Count != 2000 || r.Ack.Max < r.Ack.P99 {
		t.Errorf("got %+v and %+v", v.End, r.Ack)
	}
}

func TestRun_tells_of_failures_and_dead_letters(t *testing.T) {
	t.Parallel()
	c := config(t, 300, bad, unknown)
	work(t, c)
	r := mustRun(t, c)
	if v := r.Verdicts; v.Runs["failed"] == 0 || v.DeadLetters == 0 || v.Runs["failed"]+v.DeadLetters != 300 || v.Failures() != 300 {
		t.Errorf("got %+v", v)
	}
}

func TestRun_without_a_worker_waits_no_longer_than_it_may(t *testing.T) {
	t.Parallel()
	c := config(t, 50, good)
	c.Wait = time.Second
	if v := mustRun(t, c).Verdicts; v.Unclaimed != 50 || v.Waiting() != 50 || len(v.Runs) != 0 {
		t.Errorf("got %+v", v)
	}
	c.Ledger = nil
	if r := mustRun(t, c); r.Verdicts != nil || r.Messages != 50 {
		t.Errorf("got %+v", r)
	}
}

func TestRun_is_bounded_by_its_time_and_keeps_its_rate(t *testing.T) {
	t.Parallel()
	c := config(t, MaxCount, good)
	c.Ledger, c.Rate, c.For = nil, 200, 2*time.Second
	r := mustRun(t, c)
	// A loaded machine may be late; it catches up, and never sends what is due after the end.
	if r.Messages > 400 || r.Messages < 1 || r.Seconds > 60 {
		t.Errorf("got %+v", r)
	}
}

func TestRun_ends_with_its_context_and_tells_what_was_done(t *testing.T) {
	t.Parallel()
	c := config(t, MaxCount, good)
	ctx, cancel := context.WithCancel(t.Context())
	c.Progress = func(int) { cancel() }
	r, err := Run(ctx, c)
	if !errors.Is(err, context.Canceled) || r.Messages == 0 {
		t.Errorf("got %+v, %v", r, err)
	}
}

func TestRun_refuses(t *testing.T) {
	t.Parallel()
	c := config(t, 10, good)
	for want, change := range map[string]func(*Config){
		"count 0 is not":               func(c *Config) { c.Count = 0 },
		"count 10000001 is not":        func(c *Config) { c.Count = MaxCount + 1 },
		"a time of 0s":                 func(c *Config) { c.For = 0 },
		"a time of 25h0m0s":            func(c *Config) { c.For = 25 * time.Hour },
		"rate -1":                      func(c *Config) { c.Rate = -1 },
		"duplicates 91":                func(c *Config) { c.Duplicates = 91 },
		"size 1 is not":                func(c *Config) { c.Sizes = []int{100, 1} },
		"name one":                     func(c *Config) { c.Types = nil },
		`no job type "load.other"`:     func(c *Config) { c.Types = []string{"load.other"} },
		"is a job of a tenant, and no": func(c *Config) { c.Tenants = nil },
		"is not a JSON object":         func(c *Config) { c.Template = "[]" },
		"load.good does not take":      func(c *Config) { c.Template = `{"name": 9007199254740993}` },
	} {
		wrong := c
		change(&wrong)
		if r, err := Run(t.Context(), wrong); err == nil || !strings.Contains(err.Error(), want) || r.Load != uuid.Nil {
			t.Errorf("%s: got %v", want, err)
		}
	}
}

func TestPlan_follows_from_its_seed(t *testing.T) {
	t.Parallel()
	c := config(t, 500, good, bad)
	c.Duplicates, c.Sizes, c.Seed = 50, []int{50, 500}, 3
	c.Template = `{"name": "{{uuid}}", "page": {{n}}, "fixed": [1]}`
	slots := func(seed uint64) (all []slot, inputs []string) {
		c.Seed = seed
		p, err := c.newPlan()
		check(t, err)
		for number := range 500 {
			s := p.slot(number)
			input, err := p.input(s)
			check(t, err)
			if s.size == 500 && len(input) != 500 {
				t.Errorf("an input has %d bytes, want 500", len(input))
			}
			all, inputs = append(all, s), append(inputs, string(input))
		}
		return all, inputs
	}
	one, inputs := slots(3)
	again, same := slots(3)
	if diff := cmp.Diff(one, again, cmp.AllowUnexported(slot{})) + cmp.Diff(inputs, same); diff != "" {
		t.Error(diff)
	}
	if other, _ := slots(4); cmp.Equal(one, other, cmp.AllowUnexported(slot{})) {
		t.Error("another seed makes the same choices")
	}
	for _, s := range one {
		if source := one[s.of]; source.copying != original || inputs[s.number] != inputs[s.of] {
			t.Errorf("%+v is no duplicate of %+v", s, source)
		}
	}
}
