package jobs

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
	"oprun.example/pkg/oprun"
)

// records are these jobs of the test type, as a stream would have stored them.
func (s *stack) records(inputs ...string) iter.Seq2[events.Message, error] {
	return func(yield func(events.Message, error) bool) {
		for n, input := range inputs {
			m := events.Message{
				Subject: events.Subjects{}.Subject(dedupe.Tenant(s.tenant), testType), Data: []byte(input),
				Stream: "ELSEWHERE", Seq: uint64(n + 1), StoredAt: time.Now().Add(time.Duration(n) * time.Millisecond),
			}
			if !yield(m, nil) {
				return
			}
		}
	}
}

// try plays one job of the test type in a shadow, and returns how the shadow has it.
func (s *stack) try(config ShadowConfig, handle func(ctx context.Context, job *Job[keyed]) error) (tally ShadowTally, end string) {
	s.t.Helper()
	config.Name, config.Fresh, config.Logger = "try", true, slog.New(slog.NewTextHandler(s.t.Output(), nil))
	mux := &Mux{}
	if handle != nil {
		mux = handling(handle)
	}
	tally = must(must(NewShadow(s.ledger, s.catalog, mux, config))(s.t).Run(s.t.Context(), s.records(`{"key":"a"}`)))(s.t)
	check(s.t, s.pool.QueryRow(s.t.Context(), `select r.outcome || ' ' || coalesce(r.failure_summary->0->>'code', '-') || ' ' || n.left_out || ' '
		|| r.attempt from oprun_shadow_try.operation_runs r join oprun_shadow_try.shadow_records n on n.run_id = r.id`).Scan(&end))
	return tally, end
}

func TestShadowHandlers(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	d := s.dispatcher()
	for name, story := range map[string]struct {
		want   string
		handle func(ctx context.Context, job *Job[keyed]) error
	}{
		"succeeds":                {"succeeded -  1", writeEffect},
		"fails for good":          {"failed handler.error  1", func(context.Context, *Job[keyed]) error { return Permanent(errors.New("no")) }},
		"fails each time":         {"failed handler.error  3", func(context.Context, *Job[keyed]) error { return errors.New("no") }},
		"panics":                  {"failed handler.panicked  3", func(context.Context, *Job[keyed]) error { panic("no") }},
		"ends its goroutine":      {"failed handler.panicked  3", func(context.Context, *Job[keyed]) error { runtime.Goexit(); return nil }},
		"asks to be cancelled":    {"cancelled -  1", func(context.Context, *Job[keyed]) error { return Cancel(errors.New("enough")) }},
		"is blocked":              {"blocked test.closed  1", func(context.Context, *Job[keyed]) error { return Blocked("test.closed", "") }},
		"snoozes":                 {"failed shadow.snoozed snoozed 1", func(context.Context, *Job[keyed]) error { return Snooze(time.Hour) }},
		"waits long between":      {"failed handler.error  3", func(context.Context, *Job[keyed]) error { return Retry(errors.New("no"), time.Hour) }},
		"succeeds the third time": {"succeeded -  3", failing(2)},
		"queues what fails": {"failed handler.error  3", func(_ context.Context, job *Job[keyed]) error {
			job.Queue("insert into nowhere values (1)")
			return nil
		}},
		"queues beside its commit": {"succeeded -  1", func(ctx context.Context, job *Job[keyed]) error {
			job.Queue("insert into effects (run_id, attempt) values ($1, 7)", job.RunID)
			return writeEffect(ctx, job)
		}},
		"dispatches outside a transaction": {"failed shadow.refused refused 1", func(ctx context.Context, job *Job[keyed]) error {
			_, err := d.Dispatch(ctx, job.Scope, testType, keyed{"b"})
			return err
		}},
		"dispatches many, and goes on": {"succeeded - refused 1", func(ctx context.Context, job *Job[keyed]) error {
			if _, err := d.DispatchMany(ctx, job.Scope, testType, keyed{"b"}); !errors.Is(err, ErrShadow) {
				t.Errorf("dispatched: %v", err)
			}
			return writeEffect(ctx, job)
		}},
		"dispatches within one": {"succeeded -  1", func(ctx context.Context, job *Job[keyed]) error {
			return job.Commit(ctx, func(tx pgx.Tx) error {
				_, err := d.DispatchTx(ctx, tx, job.Scope, testType, keyed{"b"})
				return err
			})
		}},
		"asks whether it is one": {"succeeded -  1", func(ctx context.Context, _ *Job[keyed]) error {
			if !InShadow(ctx) || InShadow(t.Context()) {
				t.Error("a handler is not told that it is in a shadow, or a test is")
			}
			return nil
		}},
	} {
		if tally, got := s.try(ShadowConfig{}, story.handle); got != story.want || tally.Records != 1 {
			t.Errorf("a handler that %s: %q, want %q (%+v)", name, got, story.want, tally)
		}
	}
	if tally, got := s.try(ShadowConfig{}, nil); got != "failed shadow.refused refused 1" || tally.Refused != 1 {
		t.Errorf("a type without a handler: %s, %+v", got, tally)
	}
	if n := s.count("select (select count(*) from effects) + (select count(*) from oprun.operation_runs)"); n != 0 {
		t.Errorf("%d effects and runs are left", n)
	}
}

// failing is a handler that fails so many times.
func failing(times int32) func(context.Context, *Job[keyed]) error {
	var failed atomic.Int32
	return func(ctx context.Context, job *Job[keyed]) error {
		if failed.Add(1) <= times {
			return errors.New("not yet")
		}
		return writeEffect(ctx, job)
	}
}

func TestShadowIsRefused(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	for name, config := range map[string]ShadowConfig{
		"without a name":            {},
		"with the name of a schema": {Name: `x"; drop schema oprun; --`},
		"of a type that is not":     {Name: "a", Types: []string{"test.other"}},
		"that runs nothing":         {Name: "a", Concurrency: -1},
	} {
		if _, err := NewShadow(s.ledger, s.catalog, &Mux{}, config); err == nil {
			t.Errorf("a shadow %s is made", name)
		}
	}
	again := must(NewShadow(s.ledger, s.catalog, &Mux{}, ShadowConfig{Name: "a"}))(t)
	must(again.Run(t.Context(), s.records()))(t)
	if _, err := again.Run(t.Context(), s.records()); !errors.Is(err, oprun.ErrShadowExists) {
		t.Errorf("a second of the name: %v", err)
	}
}

// What was read before a record turned out to be cut short was played; the comparison says that it is not all.
func TestShadowOfACutRecordIsNotFinished(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.catalog = shadowCatalog(t, nil)
	text := string(must(os.ReadFile(shadowRecord))(t))
	h := newShop()
	shadow := must(NewShadow(s.ledger, s.catalog, h.mux(), ShadowConfig{Name: "cut", Types: []string{"shop.once", "shop.block"}}))(t)
	tally, err := shadow.Run(t.Context(), events.Records(strings.NewReader(text[:len(text)-10])))
	if _, ok := errors.AsType[*events.RecordError](err); !ok {
		t.Errorf("the record is cut short: %v", err)
	}
	report := s.shadowDiff("cut")
	if report.FinishedAt != nil || tally.Records == 0 || report.Records != int64(tally.Records-tally.Repeated) {
		t.Errorf("%+v: %+v", tally, report.ShadowInfo)
	}
	for _, total := range report.Totals {
		if total.Type != "shop.once" && total.Type != "shop.block" {
			t.Errorf("records of %s were played", total.Type)
		}
	}
}

// A shadow that is asked to stop stops its handlers, and makes nothing of what they were at.
func TestShadowStops(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	ctx, stop := context.WithCancel(t.Context())
	mux := handling(func(ctx context.Context, job *Job[keyed]) error {
		if job.Args.Key == "b" {
			stop()
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	})
	shadow := must(NewShadow(s.ledger, s.catalog, mux, ShadowConfig{Name: "stopped", Concurrency: 1}))(t)
	if _, err := shadow.Run(ctx, s.records(`{"key":"a"}`, `{"key":"b"}`, `{"key":"c"}`)); !errors.Is(err, context.Canceled) {
		t.Errorf("a shadow that was stopped: %v", err)
	}
	if report := s.shadowDiff("stopped"); report.FinishedAt != nil || report.Records != 0 {
		t.Errorf("%+v", report)
	}
	if n := s.count("select count(*) from oprun_shadow_stopped.operation_runs where outcome = 'succeeded'"); n != 1 {
		t.Errorf("%d runs have ended, want one", n)
	}
}

// Runs of one identity follow each other in the order of the record, whatever else runs beside them.
func TestShadowKeepsTheOrderOfAnIdentity(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	var order []int // of one identity, whose handlers never run at once
	var busy atomic.Int32
	mux := &Mux{}
	Handle(mux, testType, func(_ context.Context, job *Job[ordered]) error {
		if job.Args.Key != "a" {
			return nil
		}
		if busy.Add(1) != 1 {
			t.Error("two runs of one identity run at once")
		}
		order = append(order, job.Args.N)
		busy.Add(-1)
		return nil
	})
	inputs, want := []string{}, 0
	for n := range 400 {
		key := []string{"a", "b", "c"}[n%3]
		if key == "a" {
			want++
		}
		inputs = append(inputs, `{"key":"`+key+`","n":`+strconv.Itoa(n)+`}`)
	}
	must(must(NewShadow(s.ledger, s.catalog, mux, ShadowConfig{Name: "order"}))(t).Run(t.Context(), s.records(inputs...)))(t)
	for n := range order {
		if order[n] != 3*n {
			t.Fatalf("run %d of the identity is %d", n, order[n])
		}
	}
	if len(order) != want {
		t.Errorf("%d runs, want %d", len(order), want)
	}
}
