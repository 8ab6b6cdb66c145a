package oprun

import (
	"context"
	"crypto/sha256"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"

	"oprun.example/internal/devstack"
	"oprun.example/pkg/dedupe"
)

// intuneTenant is in the environment of every test here, and must leave no trace in any ledger.
const intuneTenant = "7d0c4c3a-5a3e-4b0e-9f43-0a7c2b1d9e11"

func TestMain(m *testing.M) {
	if err := os.Setenv("INTUNE_TENANT_ID", intuneTenant); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(devstack.Tests{M: m})
}

// scene is a ledger on a database of its own, with one workspace, one tenant and one worker.
type scene struct {
	*Ledger
	t         testing.TB // of the test that the scene is for
	pool      *pgxpool.Pool
	workspace WorkspaceInfo
	tenant    TenantInfo
	who       Claimer
}

// scenes runs each test on a scene of its own, all in parallel. A test is named by the sentence that it proves.
func scenes(t *testing.T, tests map[string]func(s *scene)) {
	t.Helper()
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(newScene(t))
		})
	}
}

func newScene(t testing.TB) *scene {
	t.Helper()
	return sceneOn(t, devstack.Pool(t))
}

func sceneOn(t testing.TB, pool *pgxpool.Pool) *scene {
	t.Helper()
	s := &scene{t: t, pool: pool, Ledger: openLedger(t, pool)}
	s.who = Claimer{Worker: uuid.New(), Stream: "JOBS", AckWait: time.Second}
	var err error
	s.workspace, s.tenant, err = s.Seed(t.Context(), "")
	must(t, err)
	return s
}

func openLedger(t testing.TB, pool *pgxpool.Pool) *Ledger {
	t.Helper()
	l, err := Open(context.Background(), pool)
	must(t, err)
	t.Cleanup(l.Close)
	return l
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

const jobType = "assignments.fetch"

// identity is the tenant's identity of this name.
func (s *scene) identity(name string) dedupe.Identity {
	return dedupe.Identity{Scope: dedupe.Tenant(s.tenant.ExternalID), Type: jobType, Hash: sha256.Sum256([]byte(name))}
}

// delivery is a new message that asks for this identity.
func (s *scene) delivery(name string) Delivery {
	return Delivery{
		RunID: newID(s.t), Identity: s.identity(name), Token: uuid.New(), Lease: time.Minute, MaxAttempts: 3,
		Seq: 7, StoredAt: time.Now(), Initiator: "tester",
	}
}

// again is the same message, delivered once more.
func again(d Delivery) Delivery {
	d.Token = uuid.New()
	return d
}

func newID(t testing.TB) uuid.UUID {
	t.Helper()
	id, err := uuid.NewV7()
	must(t, err)
	return id
}

// claim returns the answers to these deliveries, asked for in one batch.
func (s *scene) claim(batch ...Delivery) []Answer {
	s.t.Helper()
	answers, err := s.Claim(s.t.Context(), s.who, batch)
	must(s.t, err)
	return answers
}

// exec runs SQL of the test's own, and returns how many rows it changed.
func (s *scene) exec(sql string, args ...any) int {
	s.t.Helper()
	tag, err := s.pool.Exec(s.t.Context(), sql, args...)
	must(s.t, err)
	return int(tag.RowsAffected())
}

// query reads the single value that SQL of the test's own returns.
func query[T any](s *scene, sql string, args ...any) T {
	s.t.Helper()
	rows, err := s.pool.Query(s.t.Context(), sql, args...)
	must(s.t, err)
	value, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[T])
	must(s.t, err)
	return value
}

// hold is the hold that this claim took.
func hold(d Delivery, a Answer) Hold {
	return Hold{RunID: d.RunID, Token: d.Token, Attempt: a.Attempt, Lease: d.Lease}
}

// succeeded is the plain end of this hold.
func succeeded(h Hold) Result {
	return Result{Hold: h, Outcome: Succeeded, Ended: AttemptSucceeded}
}

// take claims a delivery, and fails the test unless it may run.
func (s *scene) take(d Delivery) Hold {
	s.t.Helper()
	answer := s.claim(d)[0]
	if answer.Verdict != dedupe.Execute {
		s.t.Fatalf("the claim was answered with %s", answer.Verdict)
	}
	return hold(d, answer)
}

// finish ends these runs with success, and fails the test when one of them was fenced.
func (s *scene) finish(holds ...Hold) {
	s.t.Helper()
	results := make([]Result, len(holds))
	for i, h := range holds {
		results[i] = succeeded(h)
	}
	done, err := s.Finish(s.t.Context(), results)
	must(s.t, err)
	if len(done) != len(holds) {
		s.t.Fatalf("%d of %d runs were finished", len(done), len(holds))
	}
}

// endLease lets the lease of a run end in the past.
func (s *scene) endLease(id uuid.UUID) {
	s.t.Helper()
	if s.exec("update oprun.operation_runs set lease_expires_at = now() - interval '1 s', due_at = now() where id = $1", id) != 1 {
		s.t.Fatalf("there is no run %s", id)
	}
}

// run reads a run.
func (s *scene) run(id uuid.UUID) Run {
	s.t.Helper()
	run, err := s.Run(s.t.Context(), id)
	must(s.t, err)
	return run
}

// attempts reads the results of the recorded attempts of a run.
func (s *scene) attempts(id uuid.UUID) []AttemptResult {
	s.t.Helper()
	list, err := s.Attempts(s.t.Context(), id)
	must(s.t, err)
	var results []AttemptResult
	for _, a := range list {
		results = append(results, a.Result)
	}
	return results
}

// same fails the test, saying what differs, unless both are equal.
func same[T any](t testing.TB, what string, want, got T) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// verdicts are the words of these answers.
func verdicts(answers []Answer) []string {
	words := make([]string, len(answers))
	for i, a := range answers {
		words[i] = a.Verdict.String()
	}
	return words
}

// requeue parks a run, and returns how it then stands; "" when the attempt was fenced.
func (s *scene) requeue(r Requeue) Outcome {
	s.t.Helper()
	stands, err := s.Requeue(s.t.Context(), []Requeue{r})
	must(s.t, err)
	return stands[r.RunID]
}

// keepInput keeps an input in a row, unless it has one or is locked.
func (s *scene) keepInput(id uuid.UUID, input []byte) {
	s.t.Helper()
	_, err := s.KeepInput(s.t.Context(), id, input, Trace{})
	must(s.t, err)
}

// lose ends a run whose message is gone, if it still is in this dispatch and has no input.
func (s *scene) lose(id uuid.UUID, dispatchNo int) ([]Ended, error) {
	return s.End(s.t.Context(), Ending{RunID: id, DispatchNo: &dispatchNo, WithoutInput: true, Reason: MessageLost})
}

// request asks for the tenant's identity of this name.
func (s *scene) request(name string) Request {
	return Request{Identity: s.identity(name), Input: []byte(`{"asked": "` + name + `"}`), InitiatorName: "tester"}
}

// ensure returns the run that a request for this identity makes or joins.
func (s *scene) ensure(name string) Run {
	s.t.Helper()
	run, _, err := s.EnsureRunWithIdentity(s.t.Context(), s.request(name))
	must(s.t, err)
	return run
}

// naming is a message that names a run of the tenant's, as the relay publishes it.
func (s *scene) naming(run Run) Delivery {
	d := s.delivery("a body of no importance")
	d.RunID, d.Named = run.ID, true
	return d
}
