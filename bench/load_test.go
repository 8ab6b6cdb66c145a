package main

import (
	"strings"
	"testing"
	"time"
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

func TestFirstIDOf(t *testing.T) {
	t.Parallel()
	at := time.UnixMilli(0x019abb0b8e42)
	if got := firstIDOf(at); got != "019abb0b-8e42-0000-0000-000000000000" {
		t.Errorf("the id is %s", got)
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
	soaked := func(grows float64) (samples []sample) {
		for i := range 20 {
			samples = append(samples, sample{soakState: soakState{P50: 2, P99: 8, RSS: 40 + grows*float64(i), Heap: 10}, table: 500})
		}
		return samples
	}
	t.Run("what_stays_is_flat", func(t *testing.T) {
		t.Parallel()
		text := verdicts(soaked(0), 1, nil)
		if strings.Contains(text, "**") || strings.Count(text, "| flat |") != len(flat) || !strings.Contains(text, "exactly once: yes") {
			t.Error(text)
		}
	})
	t.Run("what_grows_is_told", func(t *testing.T) {
		t.Parallel()
		if text := verdicts(soaked(2), 1, nil); !strings.Contains(text, "| worker RSS | 54 | 74 | × 1.15 | **grows** |") {
			t.Error(text)
		}
	})
	t.Run("a_job_that_was_handled_twice_is_told", func(t *testing.T) {
		t.Parallel()
		if text := verdicts(soaked(0), 1, []string{"1 " + soakTwice}); !strings.Contains(text, "exactly once: **no**: 1 jobs were handled more than once") {
			t.Error(text)
		}
	})
	t.Run("a_run_that_was_too_short_to_tell_says_nothing", func(t *testing.T) {
		t.Parallel()
		if text := verdicts(soaked(0)[:2], 1, nil); strings.Contains(text, "flat") {
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
