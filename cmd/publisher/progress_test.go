package main

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"oprun.example/internal/bulk"
)

func TestProgress(t *testing.T) {
	t.Parallel()
	report := bulk.Report{UpTo: 7000, PerSecond: 1234.5, Offset: 300, Size: 1200, Counts: bulk.Counts{Suppressed: 5, Refused: 2}}
	t.Run("writes_one_line_over_on_a_terminal_and_takes_it_away", func(t *testing.T) {
		t.Parallel()
		var screen bytes.Buffer
		p := &progress{app: &app{streams: streams{err: &screen}}, terminal: true}
		p.showMany(report)
		p.showMany(report) // too soon
		p.clear()
		const want = "\r\x1b[K 25 %  line 7000, 1234 jobs/s, 5 suppressed, 2 refused\r\r\x1b[K"
		if screen.String() != want {
			t.Errorf("got %q, want %q", screen.String(), want)
		}
	})
	t.Run("is_a_log_line_now_and_then_elsewhere", func(t *testing.T) {
		t.Parallel()
		var out, log bytes.Buffer
		p := newProgress(&app{streams: streams{err: &out}, log: slog.New(slog.NewTextHandler(&log, nil))})
		p.showMany(report)
		if log.Len() > 0 {
			t.Errorf("at once it says %s", log.String())
		}
		p.last = time.Now().Add(-logEvery)
		p.showMany(report)
		p.clear()
		if out.Len() > 0 || !strings.Contains(log.String(), "msg=progress up_to_line=7000 refused=2 jobs_per_second=1234") {
			t.Errorf("got %q and the log %s", out.String(), log.String())
		}
	})
}
