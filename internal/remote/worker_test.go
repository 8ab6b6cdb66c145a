package remote

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"

	"oprun.example/internal/devstack"
	"oprun.example/pkg/catalog"
	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
	"oprun.example/pkg/jobs"
	"oprun.example/pkg/oprun"
)

// stack is a broker and a ledger of the test's own, with a worker on them.
type stack struct {
	t         *testing.T
	ledger    *oprun.Ledger
	publisher *events.Publisher
	tenant    uuid.UUID
}

func newStack(t *testing.T, handlers map[string]catalog.Handler) *stack {
	t.Helper()
	conn := must(devstack.Server(t).Connect())(t)
	t.Cleanup(conn.Close)
	js := must(jetstream.New(conn))(t)
	_ = must(events.DefaultTopology().Apply(t.Context(), js, false))(t)
	ledger := must(oprun.Open(t.Context(), devstack.Pool(t)))(t)
	t.Cleanup(ledger.Close)
	_, tenant, err := ledger.Seed(t.Context(), "")
	check(t, err)
	s := &stack{t, ledger, events.NewPublisher(js, events.PublisherConfig{}), tenant.ExternalID}
	s.work(js, handlers)
	return s
}

// work runs a worker until the test ends.
func (s *stack) work(js jetstream.JetStream, handlers map[string]catalog.Handler) {
	s.t.Helper()
	declared := catalog.Catalog{Handlers: handlers, Jobs: map[string]catalog.Job{}}
	for jobType := range handlers {
		declared.Jobs[jobType] = catalog.Job{
			ScopeKind: dedupe.TenantScope, Identity: []string{"key"}, Timeout: 2 * time.Second, Lease: 10 * time.Second,
			Retry: catalog.Retry{MaxAttempts: 2, Initial: time.Millisecond, Max: time.Millisecond},
		}
	}
	cat := must(catalog.New(declared, nil))(s.t)
	log := slog.New(slog.NewTextHandler(s.t.Output(), nil))
	mux := &jobs.Mux{}
	check(s.t, Register(mux, cat.Handlers, Config{Logger: log}))
	worker := must(jobs.NewWorker(js, s.ledger, cat, mux, jobs.Config{Logger: log, NoSchedules: true}))(s.t)
	ctx, stop := context.WithCancel(context.Background())
	result := make(chan error, 1)
	go func() { result <- worker.Run(ctx) }()
	s.t.Cleanup(func() {
		stop()
		check(s.t, <-result)
	})
}

// publish sends one job and returns the id of its run.
func (s *stack) publish(jobType, input string) uuid.UUID {
	s.t.Helper()
	identity := dedupe.Identity{Scope: dedupe.Tenant(s.tenant), Type: jobType}
	ack := must(s.publisher.Publish(s.t.Context(), events.Request{
		Identity: identity, Input: []byte(input), MsgID: uuid.NewString(), TraceParent: testParent,
	}))(s.t)
	return dedupe.ByRequest(ack.RequestID, time.Time{}).RunID(identity.Scope, jobType)
}

// end waits for the end of a run.
func (s *stack) end(id uuid.UUID) oprun.Run {
	s.t.Helper()
	deadline := time.After(30 * time.Second)
	for look := time.NewTicker(5 * time.Millisecond); ; {
		if run, err := s.ledger.Run(s.t.Context(), id); err == nil && run.CompletedAt != nil {
			look.Stop()
			return run
		}
		select {
		case <-deadline:
			s.t.Fatalf("run %s did not end", id)
		case <-look.C:
		}
	}
}

func (s *stack) attempts(id uuid.UUID) []oprun.Attempt {
	s.t.Helper()
	return must(s.ledger.Attempts(s.t.Context(), id))(s.t)
}

// story is how a job's service or command behaves, and what comes of its run.
type story struct {
	Key  string `json:"key"`
	Body string `json:"body"` // of the answer, or stdout
	Code int    `json:"code"` // the status, or the exit code

	attempts int
	outcome  oprun.Outcome
	counts   map[string]int64
	failures []oprun.Failure
	last     oprun.AttemptResult // "": not recorded, as of a success at the first attempt
}

var (
	unsaid  = oprun.Failure{Code: "handler.error", Count: 1}
	invalid = oprun.Failure{Code: "handler.response_invalid", Message: "the report's outcome is unknown", Count: 1}
	gone    = oprun.Failure{Code: "policy.gone", Message: "policy 7", Count: 1}
	two     = oprun.Failure{Code: "policy.gone", Message: "policy 7", Count: 2}
)

// The stories that are the same for both kinds but for what says that the work was done, is to be done again, or
// cannot be done.
func stories(good, later, never int) []story {
	const failures = `"failures":[{"code":"policy.gone","message":"policy 7"},{"code":"policy.gone","message":"policy 7"}]`
	const one = `"failures":[{"code":"policy.gone","message":"policy 7"}]`
	bad := oprun.AttemptFailed
	return []story{
		{"quiet", "", good, 1, oprun.Succeeded, nil, nil, ""},
		{"counts", `{"summary_counts":{"total":3,"strange":1,"failed":"x"}}`, good, 1, oprun.Succeeded, map[string]int64{"total": 3}, nil, ""},
		{"failures", `{` + failures + `}`, good, 1, oprun.PartiallySucceeded, nil, []oprun.Failure{two}, ""},
		{"partial", `{"outcome":"partially_succeeded"}`, good, 1, oprun.PartiallySucceeded, nil, []oprun.Failure{
			{Code: "handler.partially_succeeded", Message: "the handler named no failure", Count: 1},
		}, ""},
		{"blocked", `{"outcome":"blocked",` + one + `}`, good, 1, oprun.Blocked, nil, []oprun.Failure{gone}, bad},
		{"blocked for no reason", `{"outcome":"blocked"}`, good, 1, oprun.Blocked, nil, []oprun.Failure{
			{Code: "handler.blocked", Message: "the handler gave no reason", Count: 1},
		}, bad},
		{"failed", `{"outcome":"failed","summary_counts":{"failed":2},` + one + `}`, good, 1, oprun.Failed, map[string]int64{"failed": 2}, []oprun.Failure{gone, unsaid}, bad},
		{"cancelled", `{"outcome":"cancelled"}`, good, 1, oprun.Cancelled, nil, nil, oprun.AttemptCancelled},
		{"unreadable", `{"outcome":"fine"}`, good, 1, oprun.Failed, nil, []oprun.Failure{invalid, unsaid}, bad},
		{"later", "", later, 2, oprun.Failed, nil, []oprun.Failure{unsaid}, bad},
		{"never", "", never, 1, oprun.Failed, nil, []oprun.Failure{unsaid}, bad},
	}
}

func (c story) check(t *testing.T, s *stack, id uuid.UUID) {
	t.Helper()
	run, attempts := s.end(id), s.attempts(id)
	if run.Outcome != c.outcome || run.Attempt != c.attempts {
		t.Errorf("%s: %s at attempt %d", c.Key, run.Outcome, run.Attempt)
	}
	if diff := cmp.Diff(c.counts, run.SummaryCounts); diff != "" {
		t.Errorf("%s: counts: %s", c.Key, diff)
	}
	if diff := cmp.Diff(c.failures, run.FailureSummary); diff != "" {
		t.Errorf("%s: failures: %s", c.Key, diff)
	}
	var last oprun.AttemptResult
	if len(attempts) > 0 {
		last = attempts[len(attempts)-1].Result
	}
	if last != c.last {
		t.Errorf("%s: attempts %+v", c.Key, attempts)
	}
}

func tell(t *testing.T, jobType string, s *stack, all []story) {
	t.Helper()
	ids := make([]uuid.UUID, len(all))
	for i, c := range all {
		ids[i] = s.publish(jobType, string(must(json.Marshal(c))(t)))
	}
	for i, c := range all {
		c.check(t, s, ids[i])
	}
}

// behave answers as the posted story says. A story that is "slow" is not answered at first.
func behave(w http.ResponseWriter, r *http.Request) {
	text, _ := io.ReadAll(r.Body)
	var c story
	err := json.Unmarshal(text, &c)
	first := r.Header.Get("Oprun-Attempt") == "1"
	switch {
	case err != nil, first && r.Header.Get("Traceparent") != testParent:
		w.WriteHeader(http.StatusTeapot)
	case c.Key == "slow" && first:
		<-r.Context().Done()
	case c.Key == "busy" && first:
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusServiceUnavailable)
	default:
		w.WriteHeader(c.Code)
		_, _ = io.WriteString(w, c.Body)
	}
}

func TestWorkerRunsServices(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(behave))
	s := newStack(t, map[string]catalog.Handler{"test.http": {HTTP: server.URL}})
	t.Cleanup(server.Close) // before the worker is stopped, so that nothing waits for its connections
	tell(t, "test.http", s, append(stories(200, 503, 404),
		story{"slow", "", 200, 2, oprun.Succeeded, nil, nil, oprun.AttemptSucceeded}))

	id := s.publish("test.http", `{"key":"busy","code":200}`)
	if run := s.end(id); run.Outcome != oprun.Succeeded || run.CompletedAt.Sub(*run.StartedAt) < time.Second {
		t.Errorf("%s, %s after its start, with a Retry-After of 1 s", run.Outcome, run.CompletedAt.Sub(*run.StartedAt))
	}
}

// behaviour does as the story on stdin says. It finds its way by what surrounds the values, since no value of a story
// holds a quoted key of another.
const behaviour = `
	read -r story
	case $story in *'"key":"slow"'*) test $OPRUN_ATTEMPT = 2 || exec sleep 1000;; esac
	body=${story#*'"body":"'} body=${body%'","code"'*}
	printf '%s\n' "$body" | sed 's/\\"/"/g'
	code=${story##*'"code":'}
	exit ${code%\}*}`

func TestWorkerRunsCommands(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "behave")
	check(t, os.WriteFile(path, []byte(behaviour), 0o600))
	s := newStack(t, map[string]catalog.Handler{"test.exec": {Exec: []string{"sh", path}}})
	tell(t, "test.exec", s, append(stories(0, 75, 65),
		story{"crashing", "", 1, 2, oprun.Failed, nil, []oprun.Failure{unsaid}, oprun.AttemptFailed}))

	id := s.publish("test.exec", `{"key":"slow","body":"","code":0}`)
	run, attempts := s.end(id), s.attempts(id)
	if run.Outcome != oprun.Succeeded || len(attempts) != 2 || attempts[0].Result != oprun.AttemptTimedOut {
		t.Errorf("%s, attempts %+v", run.Outcome, attempts)
	}
}

func TestWorkerRunsNoMoreThanTheConcurrency(t *testing.T) {
	t.Parallel()
	const limit, all = 2, 6
	var running atomic.Int32
	arrived, leave := make(chan struct{}, all), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		if n := running.Add(1); n > limit {
			t.Errorf("%d at once", n)
		}
		arrived <- struct{}{}
		<-leave
		running.Add(-1)
	}))
	s := newStack(t, map[string]catalog.Handler{"test.http": {HTTP: server.URL, Concurrency: limit}})
	t.Cleanup(server.Close)
	var last uuid.UUID
	for range all {
		last = s.publish("test.http", `{"key":"`+uuid.NewString()+`"}`)
	}
	for range limit {
		<-arrived
	}
	close(leave)
	s.end(last)
}
