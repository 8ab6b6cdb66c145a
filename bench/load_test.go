package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"oprun.example/pkg/dedupe"
)

func TestPayloadSaysWhenItWasSent(t *testing.T) {
	t.Parallel()
	at := time.Now()
	p := payloadAt(7, at)
	sent, err := p.sent()
	if err != nil || !sent.Equal(at) {
		t.Errorf("it says %v, %v; want %v", sent, err, at)
	}
	if usual := payloadOf(7); len(p.Note) != len(usual.Note) || p.ConnectionID != usual.ConnectionID {
		t.Errorf("it is another job, or of another size: %+v", p)
	}
	if _, err := payloadOf(7).sent(); err == nil {
		t.Error("a payload without a time has one")
	}
}

func TestForeignIDsHaveNoDate(t *testing.T) {
	t.Parallel()
	scope := dedupe.Tenant(uuid.New())
	dated, undated := &stage{}, &stage{Foreign: "foreign-1"}
	if id := dated.occurrence(7, time.Now()).RunID(scope, jobType); id.String() < "01" {
		t.Errorf("the id %s has no date", id)
	}
	id := undated.occurrence(7, time.Now()).RunID(scope, jobType)
	if !strings.HasPrefix(id.String(), "00000000-0000-8") {
		t.Errorf("the id %s has a date", id)
	}
	if undated.occurrence(8, time.Now()).RunID(scope, jobType) == id {
		t.Error("two jobs have one id")
	}
}

func TestEightOfBest(t *testing.T) {
	t.Parallel()
	r := round{"processes/1 process": {Rate: 10}, "processes/4 processes": {Rate: 20}, "processes/8 processes": {Rate: 15}, "drain/oprun": {Rate: 99}}
	if got := eightOfBest(r); got != 0.75 {
		t.Errorf("eight processes reach %v of the best, want 0.75", got)
	}
}

func TestVerdicts(t *testing.T) {
	t.Parallel()
	soaked := func(grows float64, from time.Duration) (samples []sample) {
		for i := range 20 {
			samples = append(samples, sample{at: from + time.Duration(i)*time.Minute, soakState: soakState{P50: 2, P99: 8, RSS: 40 + grows*float64(i), Heap: 10}, table: 500 + 100*grows*float64(i)})
		}
		return samples
	}
	t.Run("what_stays_is_flat", func(t *testing.T) {
		t.Parallel()
		text := verdicts(soaked(0, time.Hour), 1, nil)
		if strings.Contains(text, "**") || strings.Count(text, "| flat |") != len(flat) || !strings.Contains(text, "exactly once: yes") {
			t.Error(text)
		}
	})
	t.Run("what_grows_is_told", func(t *testing.T) {
		t.Parallel()
		if text := verdicts(soaked(2, time.Hour), 1, nil); !strings.Contains(text, "| worker RSS | 54 | 74 | × 1.15 | **grows** |") {
			t.Error(text)
		}
	})
	t.Run("tables_that_were_still_filling_are_not_judged", func(t *testing.T) {
		t.Parallel()
		text := verdicts(soaked(2, -time.Minute), 1, nil)
		if strings.Contains(text, "| × 1.15 | **grows** |\n| stream") || strings.Count(text, "| too short to tell |") != 2 {
			t.Error(text)
		}
	})
	t.Run("a_job_that_was_handled_twice_is_told", func(t *testing.T) {
		t.Parallel()
		if text := verdicts(soaked(0, time.Hour), 1, []string{"1 " + soakTwice}); !strings.Contains(text, "exactly once: **no**: 1 jobs were handled more than once") {
			t.Error(text)
		}
	})
	t.Run("a_run_that_was_too_short_to_tell_says_nothing", func(t *testing.T) {
		t.Parallel()
		if text := verdicts(soaked(0, time.Hour)[:2], 1, nil); strings.Contains(text, "flat") {
			t.Error(text)
		}
	})
}

func TestReplayOfAJobIsSeen(t *testing.T) {
	t.Parallel()
	s := &stage{Jobs: 100, Rate: 50}
	done := 0
	k := &soaker{watch: s.watch(), seen: newBits(s.Jobs), count: countTo(2, func() { done++ })}
	for _, n := range []int{3, 64, 3} {
		if err := k.handle(t.Context(), &oprunJob{Args: payloadAt(n, time.Now())}); err != nil {
			t.Fatal(err)
		}
	}
	if k.twice.Load() != 1 || k.never(s.Jobs) != 98 || done != 1 {
		t.Errorf("%d twice, %d never, done %d times; want 1, 98, 1", k.twice.Load(), k.never(s.Jobs), done)
	}
}
