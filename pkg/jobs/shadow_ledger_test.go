package jobs

import (
	"context"
	"errors"
	"iter"
	"strings"
	"testing"

	"oprun.example/internal/devstack"
	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
	"oprun.example/pkg/oprun"
)

// Handlers meet what they did in earnest, unless their effects go into a copy from before that.
func TestShadowInACopy(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.exec("alter table effects add primary key (run_id)")
	w := s.start(writing(), Config{})
	s.publish(`{"key":"a"}`)
	s.settled(1)
	check(t, w.stop())
	copied := devstack.Pool(t)
	must(copied.Exec(t.Context(), "create table effects (run_id uuid primary key, attempt int)"))(t)
	for name, config := range map[string]ShadowConfig{"beside": {}, "copied": {Effects: copied}} {
		config.Name = name
		shadow := must(NewShadow(s.ledger, s.catalog, writing(), config))(t)
		must(shadow.Run(t.Context(), events.Read(t.Context(), s.js, s.topology.Stream, events.Range{})))(t)
	}
	report := s.shadowDiff("beside")
	if report.Different != 1 || !strings.Contains(report.Differences[0].Shadow.Error, "effects_pkey") {
		t.Errorf("beside what was done: %+v", report)
	}
	if report = s.shadowDiff("copied"); report.Different != 0 || report.Totals[0].Outcomes != 1 {
		t.Errorf("in a copy: %+v", report)
	}
}

// A claim that meets a lock is sent again: it says nothing of the record.
func TestShadowWaitsForLocks(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	records := func(yield func(events.Message, error) bool) {
		tx := must(s.pool.Begin(t.Context()))(t) // in the schema that has just been made
		must(tx.Exec(t.Context(), "lock table oprun_shadow_locked.operation_runs in share mode"))(t)
		over := make(chan error)
		go func() {
			_, err := tx.Exec(t.Context(), "select pg_sleep(1.5)")
			over <- errors.Join(err, tx.Rollback(t.Context()))
		}()
		for m, err := range s.records(`{"key":"a"}`) {
			yield(m, err)
		}
		check(t, <-over)
	}
	tally := must(must(NewShadow(s.ledger, s.catalog, writing(), ShadowConfig{Name: "locked"}))(t).Run(t.Context(), batched(records)))(t)
	if tally.Executed != 1 {
		t.Errorf("it played %+v", tally)
	}
}

// batched are records of a whole batch, of which the last come again: they are played before the next is asked for.
func batched(records iter.Seq2[events.Message, error]) iter.Seq2[events.Message, error] {
	return func(yield func(events.Message, error) bool) {
		for m, err := range records {
			for range shadowBatch {
				if !yield(m, err) {
					return
				}
			}
		}
	}
}

// A request that joined a run which was dispatched: that run has the identity of its time, and of the input that it has.
func TestShadowOfARequestThatJoinedADispatchedRun(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	began, finish := make(chan struct{}), make(chan struct{})
	w := s.start(handling(func(ctx context.Context, job *Job[keyed]) error {
		close(began)
		<-finish
		return writeEffect(ctx, job)
	}), Config{})
	must(s.dispatcher().Dispatch(t.Context(), dedupe.Tenant(s.tenant), testType, ordered{Key: "a", N: 1}))(t)
	<-began
	s.publish(`{"key":"a","n":2}`)
	s.eventually("the duplicate to be told", func() bool { return s.count("select count(*) from oprun.operation_run_deliveries") == 1 })
	close(finish)
	s.settled(1)
	check(t, w.stop())
	for name, story := range map[string]struct {
		identity []string
		want     int
	}{"same": {[]string{"key"}, 0}, "wider": {[]string{}, 0}, "narrower": {[]string{"key", "n"}, 1}} {
		mux := writing()
		shadow := must(NewShadow(s.ledger, testCatalog(t, testJob(story.identity...)), mux, ShadowConfig{Name: name}))(t)
		must(shadow.Run(t.Context(), events.Read(t.Context(), s.js, s.topology.Stream, events.Range{})))(t)
		report := s.shadowDiff(name)
		if report.Different != story.want || report.Records != 2 || len(report.Totals[0].LeftOut) != 0 {
			t.Errorf("with identity %v: %+v", story.identity, report)
		}
	}
}

// What the ledger found of a request when it came stands: whose it is, and whether it remembers as far back.
func TestShadowLeavesToTheLedgerWhatItFound(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	var letters []oprun.DeadLetter
	for m := range s.records(`{"key":"a"}`, `{"key":"b"}`, `{"key":"c"}`) {
		reason := []dedupe.Reason{dedupe.ScopeUnknown, dedupe.OlderThanRetention, dedupe.TypeUnknown}[len(letters)]
		letters = append(letters, oprun.DeadLetter{Stream: m.Stream, Seq: int64(m.Seq), StoreTime: m.StoredAt, Subject: m.Subject, Reason: reason.String()})
	}
	check(t, s.ledger.Bury(t.Context(), letters))
	again := func(yield func(events.Message, error) bool) {
		for _, l := range letters {
			m := events.Message{Subject: l.Subject, Data: []byte(`{"key":"` + l.Reason + `"}`), Stream: l.Stream, Seq: uint64(l.Seq), StoredAt: l.StoreTime}
			if !yield(m, nil) {
				return
			}
		}
	}
	must(must(NewShadow(s.ledger, s.catalog, writing(), ShadowConfig{Name: "found"}))(t).Run(t.Context(), again))(t)
	report := s.shadowDiff("found")
	if report.Different != 1 || report.Differences[0].Ledger.Reason != "type_unknown" || report.Differences[0].Shadow.Verdict != "execute" {
		t.Errorf("the catalogue has learnt one type: %+v", report)
	}
}
