package jobs

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
)

func TestDispatchMany(t *testing.T) {
	t.Parallel()

	t.Run("makes a run of each identity, in order, and wakes a relay", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		w := s.start(writing(), Config{Poll: time.Hour})
		s.eventually("the relay to look", func() bool { return w.metric(t, "relay_last_success_timestamp_seconds") > 0 })
		args := make([]any, 700)
		for i := range args {
			args[i] = keyed{fmt.Sprint(i)}
		}
		args[699] = args[0]
		got := must(s.dispatcher().DispatchMany(t.Context(), dedupe.Tenant(s.tenant), testType, args...))(t)
		var ids []uuid.UUID
		for _, run := range got[:699] {
			wantRun(t, run, run.ID, true)
			ids = append(ids, run.ID)
		}
		wantRun(t, got[699], got[0].ID, false)
		s.settled(len(ids))
		s.acknowledged()
		s.wantOneEffectEach(ids...)
		if n := s.count("select count(*) from oprun.operation_runs r join effects e on e.run_id = r.id where r.id = $1 and r.input::jsonb->>'key' = '7'", got[7].ID); n != 1 {
			t.Errorf("the eighth answer is about another job")
		}
	})

	t.Run("in the callers transaction leaves nothing when that is rolled back", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		tx := must(s.pool.Begin(t.Context()))(t)
		got := must(s.dispatcher().DispatchManyTx(t.Context(), tx, dedupe.Tenant(s.tenant), testType, keyed{"a"}, []byte(`{"key":"b"}`)))(t)
		if len(got) != 2 || !got[0].Created || !got[1].Created {
			t.Errorf("got %+v", got)
		}
		check(t, tx.Rollback(t.Context()))
		if n := s.count("select count(*) from oprun.operation_runs"); n != 0 {
			t.Errorf("%d runs are there", n)
		}
	})

	t.Run("names what it refuses, and writes nothing", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		d := s.dispatcher()
		_, err := d.DispatchMany(t.Context(), dedupe.Tenant(s.tenant), testType, keyed{"a"}, keyed{"b"}, []byte(`[]`))
		refusal, refused := errors.AsType[*events.Refusal](err)
		if !refused || refusal.Reason != dedupe.Malformed || !strings.Contains(err.Error(), "args 2 of 3") {
			t.Errorf("a bad input: %v", err)
		}
		_, err = d.With(DispatchOptions{RequestID: "x"}).DispatchMany(t.Context(), dedupe.Tenant(s.tenant), testType, keyed{"a"}, keyed{"b"})
		if err == nil {
			t.Error("one request id for two requests is taken")
		}
		if n := s.count("select count(*) from oprun.operation_runs"); n != 0 {
			t.Errorf("%d runs are there", n)
		}
		if got, err := d.DispatchMany(t.Context(), dedupe.Tenant(s.tenant), testType); err != nil || len(got) != 0 {
			t.Errorf("nothing asked for: %v, %v", got, err)
		}
	})
}
