//go:build failpoint

package crash

import (
	"context"
	_ "embed"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"oprun.example/internal/devstack"
	"oprun.example/internal/failpoint"
	"oprun.example/pkg/catalog"
	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
	"oprun.example/pkg/oprun"
)

// story is something that happens on a scene, which it has to begin and to end.
type story func(*scene)

// scene is one story's own broker and database, the jobs that were accepted, and the worker processes.
type scene struct {
	t         *testing.T
	broker    string // its URL
	database  string
	js        jetstream.JetStream
	pool      *pgxpool.Pool
	ledger    *oprun.Ledger
	publisher *events.Publisher
	declared  *catalog.Catalog
	topology  events.Topology
	tenant    uuid.UUID
	accepted  []uuid.UUID      // the runs of the jobs that were accepted, in the order of their acceptance
	asked     []time.Time      // when each was asked for; the database has the same clock
	cancelled []uuid.UUID      // runs that may also end as cancelled
	workers   []*process       // those that are to end well, unless they are killed
	off       failpoint.Switch // the rule that the workers do without; empty: none
}

//go:embed testdata/watch.sql
var watchSQL string

// begin makes the broker and the database.
func (s *scene) begin() {
	s.t.Helper()
	s.beginOn(s.brokerHere(), devstack.Database(s.t))
}

// brokerHere starts a broker inside the test's process; others reach it over a port.
func (s *scene) brokerHere() (url string) {
	s.t.Helper()
	server := must(devstack.StartNATS(devstack.NATSConfig{Port: -1}))(s.t)
	s.t.Cleanup(func() { check(s.t, server.Close()) })
	return server.URL()
}

// beginOn takes this broker and this migrated database.
func (s *scene) beginOn(broker, database string) {
	s.t.Helper()
	s.broker, s.topology, s.declared = broker, events.DefaultTopology(), must(declare(shortLease))(s.t)
	s.topology.AckWait = shortAckWait
	conn := must(nats.Connect(broker, nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond)))(s.t)
	s.t.Cleanup(conn.Close)
	s.js = must(jetstream.New(conn))(s.t)
	must(s.topology.Apply(s.t.Context(), s.js, false))(s.t)
	s.publisher = events.NewPublisher(s.js, events.PublisherConfig{})
	s.open(database)
	_, tenant, err := s.ledger.Seed(s.t.Context(), "")
	check(s.t, err)
	s.tenant = tenant.ExternalID
}

// open makes this migrated database the scene's, and watches it.
func (s *scene) open(database string) {
	s.t.Helper()
	s.database = database
	s.pool = must(pgxpool.New(context.Background(), database))(s.t)
	s.t.Cleanup(s.pool.Close)
	s.ledger = must(oprun.Open(s.t.Context(), s.pool))(s.t)
	s.t.Cleanup(s.ledger.Close)
	s.exec(watchSQL)
}

// worker starts a worker process with these faults; it has to end well, unless it is killed.
func (s *scene) worker(faults string, environment ...string) *process {
	s.t.Helper()
	p := spawn(s.t, "worker", append(s.environment(faults), environment...)...)
	s.workers = append(s.workers, p)
	return p
}

func (s *scene) environment(faults string) []string {
	return []string{"NATS_URL=" + s.broker, "DATABASE_URL=" + s.database, "OPRUN_FAILPOINTS=" + faults, "OPRUN_BREAK=" + string(s.off)}
}

// load has jobs of every kind accepted: by message and by the ledger, one whose first attempt fails, and one request
// for the same job as another.
func (s *scene) load() {
	s.t.Helper()
	s.publish(args{Key: "a"})
	s.publish(args{Key: "b"})
	s.publish(args{Key: "c", Fails: true})
	s.publish(args{Key: "a"})
	s.dispatch("d")
}

// publish has a job accepted by the stream.
func (s *scene) publish(job args) uuid.UUID {
	s.t.Helper()
	return s.publishAs(jobType, job)
}

func (s *scene) publishAs(jobType string, job args) uuid.UUID {
	s.t.Helper()
	request := events.Request{
		Identity: s.identity(jobType, job), Input: must(json.Marshal(job))(s.t), MsgID: uuid.NewString(),
	}
	asked := time.Now()
	ack := must(s.publisher.Publish(s.t.Context(), request))(s.t)
	run := dedupe.ByRequest(ack.RequestID, time.Time{}).RunID(request.Identity.Scope, jobType)
	s.accept(run, asked)
	return run
}

// dispatch has a job accepted by the ledger.
func (s *scene) dispatch(key string) uuid.UUID {
	s.t.Helper()
	asked := time.Now()
	run, _, err := s.ledger.EnsureRunWithIdentity(s.t.Context(), s.request(key))
	check(s.t, err)
	s.accept(run.ID, asked)
	return run.ID
}

func (s *scene) accept(run uuid.UUID, asked time.Time) {
	s.accepted, s.asked = append(s.accepted, run), append(s.asked, asked)
}

func (s *scene) request(key string) oprun.Request {
	s.t.Helper()
	job := args{Key: key}
	return oprun.Request{Identity: s.identity(jobType, job), Input: must(json.Marshal(job))(s.t), MaxAttempts: 20}
}

func (s *scene) identity(jobType string, job args) dedupe.Identity {
	s.t.Helper()
	declared := s.declared.Jobs[jobType]
	input := must(json.Marshal(job))(s.t)
	return must(declared.Rule().Identify(dedupe.Tenant(s.tenant), jobType, input, dedupe.Occurrence{}))(s.t)
}

func (s *scene) purge() {
	s.t.Helper()
	stream := must(s.js.Stream(s.t.Context(), s.topology.Stream))(s.t)
	check(s.t, stream.Purge(s.t.Context()))
}

// remake deletes the stream and makes it anew, empty, with its consumer.
func (s *scene) remake() {
	s.t.Helper()
	check(s.t, s.js.DeleteStream(s.t.Context(), s.topology.Stream))
	must(s.topology.Apply(s.t.Context(), s.js, false))(s.t)
}

func (s *scene) exec(statement string, arguments ...any) {
	s.t.Helper()
	must(s.pool.Exec(s.t.Context(), statement, arguments...))(s.t)
}

func (s *scene) count(query string, arguments ...any) (n int) {
	s.t.Helper()
	check(s.t, s.pool.QueryRow(s.t.Context(), query, arguments...).Scan(&n))
	return n
}

// eventually polls a fact that has to come.
func (s *scene) eventually(what string, fact func() bool) {
	s.t.Helper()
	if !s.within(patience, fact) {
		s.t.Fatalf("waited %s for %s", patience, what)
	}
}

// within polls a fact that may come.
func (s *scene) within(wait time.Duration, fact func() bool) bool {
	deadline := time.After(wait)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !fact() {
		select {
		case <-deadline:
			return false
		case <-tick.C:
		}
	}
	return true
}
