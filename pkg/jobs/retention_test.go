package jobs

import (
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"oprun.example/pkg/catalog"
	"oprun.example/pkg/events"
	"oprun.example/pkg/oprun"
)

// kept is the retention of these tests.
const kept = 30 * 24 * time.Hour

// oldRequest is a request id as it was made so long ago.
func oldRequest(t *testing.T, ago time.Duration) func(*events.Request) {
	t.Helper()
	id := must(uuid.NewV7())(t)
	binary.BigEndian.PutUint64(id[:8], uint64(time.Now().Add(-ago).UnixMilli())<<16|uint64(binary.BigEndian.Uint16(id[6:8])))
	return func(r *events.Request) { r.RequestID = id.String() }
}

// expire has old runs deleted, and wants these counts of a run that succeeded.
func (s *stack) expire(input string, candidates, deleted int64) {
	s.t.Helper()
	run := s.housekeep(catalog.DeleteExpiredRuns, input)
	want := map[string]int64{"candidates": candidates, "deleted": deleted, "skipped": candidates - deleted}
	if diff := cmp.Diff(want, run.SummaryCounts); diff != "" || run.Outcome != oprun.Succeeded {
		s.t.Errorf("retention has %s with (-want +got):\n%s", run.Outcome, diff)
	}
}

// What has been deleted never runs again: a replay of its message is told that it comes too late.
func TestRetention(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	w := s.start(writing(), Config{Retention: kept})
	request := oldRequest(t, 2*kept)
	run := s.publish(`{"key":"a"}`, request)
	s.settled(1)
	s.exec("update oprun.operation_runs set completed_at = now() - interval '60 days'")

	s.expire(`{}`, 0, 0) // publishes the horizon
	s.expire(`{}`, 0, 0) // in the same minute
	s.publish(`{"key":"a"}`, request)
	s.eventually("the replay to be known", func() bool {
		return w.metric(t, "deliveries_total", "job_type="+testType, "verdict=completed") == 1
	})
	s.exec("update oprun.retention_horizon set advanced_at = now() - interval '1 minute'")
	s.expire(`{"dry_run":true}`, 1, 1)
	s.expire(`{"limit":5}`, 1, 1)
	if n := s.count("select count(*) from oprun.operation_runs where id = $1", run); n != 0 {
		t.Error("the old run is still there")
	}
	s.publish(`{"key":"a"}`, request)
	s.eventually("the replay to be refused", func() bool {
		return s.count("select count(*) from oprun.dead_letters where reason = 'older_than_retention'") == 1
	})
	s.acknowledged()
	if n := s.count("select count(*) from effects"); n != 1 {
		t.Errorf("the job had %d effects, want 1", n)
	}
	if n := w.metric(t, "dead_letters_total", "reason=older_than_retention"); n != 1 {
		t.Errorf("%v dead letters are counted as older_than_retention, want 1", n)
	}
	again := s.publish(`{"key":"a"}`) // a new request
	s.eventually("a new request to run", func() bool {
		return s.count("select count(*) from oprun.operation_runs where id = $1 and outcome = 'succeeded'", again) == 1
	})
}

// A ledger that forgets a run while the stream can still deliver its message would be no ledger.
func TestRunRefusesARetentionThatTheStreamOutlives(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	const maxAge, window = 7 * 24 * time.Hour, 2 * time.Minute // the topology's own
	run := func(retention time.Duration) string {
		w := must(NewWorker(s.js, s.ledger, s.catalog, writing(), Config{Retention: retention}))(t)
		if err := w.bind(t.Context()); err != nil {
			return err.Error()
		}
		return ""
	}
	for _, retention := range []time.Duration{-time.Hour, time.Hour, maxAge, maxAge + window} {
		got := run(retention)
		for _, want := range []string{retention.String(), "168h2m0s", "7d", "2m0s", "--retention"} {
			if retention == maxAge && want == retention.String() {
				want = "7d"
			}
			if !strings.Contains(got, want) {
				t.Errorf("of %s the error is %q, want %q in it", retention, got, want)
			}
		}
	}
	for _, retention := range []time.Duration{0, maxAge + window + time.Second} {
		if got := run(retention); got != "" {
			t.Errorf("retention %s is refused: %s", retention, got)
		}
	}
	s.topology.MaxAge = 0
	must(s.topology.Apply(t.Context(), s.js, false))(t)
	if got := run(0); !strings.Contains(got, "90d") || !strings.Contains(got, "for ever") || !strings.Contains(got, "--max-age") {
		t.Errorf("of a stream that keeps messages for ever the error is %q", got)
	}
}
