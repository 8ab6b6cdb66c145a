package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
	"oprun.example/pkg/oprun"
)

// What a job carries is the producer's secret: no log line tells it, whatever becomes of the job.
func TestLogsTellNoInput(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	log := &lockedLog{}
	logger := slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	const secret = "hunter2"
	w := s.start(handling(func(_ context.Context, job *Job[keyed]) error {
		switch job.Args.Key {
		case secret + "-fails":
			return errors.New("refused: " + job.Args.Key)
		case secret + "-panics":
			panic(job.Args.Key)
		}
		return nil
	}), Config{Logger: logger})
	for _, key := range []string{`"hunter2"`, `"hunter2-fails"`, `"hunter2-panics"`, `{"hunter2":1}`} {
		s.publish(`{"key":` + key + `}`)
	}
	subject := events.Subjects{}.Subject(dedupe.Tenant(s.tenant), testType)
	for _, body := range []string{`{"key":"hunter2"`, `{"hunter2":1}`, `{"key":"hunter2","key":"hunter2"}`, `hunter2`} {
		must(s.js.Publish(t.Context(), subject, []byte(body)))(t)
	}
	s.settled(4)
	s.acknowledged()
	check(t, w.stop())
	if text := log.String(); strings.Contains(text, secret) || !strings.Contains(text, "run ended") {
		t.Errorf("the log tells the input, or nothing at all:\n%s", text)
	}
}

// logLines are the lines of a worker's log that tell of an end.
type logLines struct {
	mu   sync.Mutex
	ends []map[string]any
}

// Write implements io.Writer.
func (l *logLines) Write(line []byte) (int, error) {
	var attributes map[string]any
	if err := json.Unmarshal(line, &attributes); err != nil {
		return 0, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if attributes["msg"] == "run ended" {
		l.ends = append(l.ends, attributes)
	}
	return len(line), nil
}

func (l *logLines) logger() *slog.Logger {
	return slog.New(slog.NewJSONHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// of returns the lines of one run.
func (l *logLines) of(id uuid.UUID) (lines []map[string]any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.ends {
		if run, ok := line["run"].(map[string]any); ok && run["run_id"] == id.String() {
			lines = append(lines, line)
		}
	}
	return lines
}

// wantOneLine wants one line of a run's end, which names it as all others do; by is who ended it, empty: an attempt.
func (s *stack) wantOneLine(l *logLines, id uuid.UUID, by string) {
	s.t.Helper()
	s.eventually("the line", func() bool { return len(l.of(id)) > 0 })
	lines, run := l.of(id), s.run(id)
	want := map[string]any{"run_id": id.String(), "job_type": run.Type, "scope": run.Scope().String(), "attempt": float64(run.Attempt)}
	if diff := cmp.Diff(want, lines[0]["run"]); diff != "" || len(lines) != 1 || lines[0]["outcome"] != string(run.Outcome) {
		s.t.Errorf("%d lines tell of the end as %s, the first %v; its run (-want +got):\n%s", len(lines), run.Outcome, lines[0], diff)
	}
	if got, _ := lines[0]["by"].(string); got != by {
		s.t.Errorf("the end is said to be by %q, want %q", got, by)
	}
}

// The end of each run is one line, whatever it was: of a success for those who log everything.
func TestOneLineForEachEnd(t *testing.T) {
	t.Parallel()
	for name, want := range endings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStack(t)
			lines := &logLines{}
			w, run := s.play(want, Config{Logger: lines.logger()})
			s.settled(1)
			check(t, w.stop())
			s.wantOneLine(lines, run, "")
			level := "INFO"
			if want.outcome == oprun.Succeeded {
				level = "DEBUG"
			}
			if got := lines.of(run)[0]["level"]; got != level {
				t.Errorf("the level is %v, want %s", got, level)
			}
		})
	}
}

// lockedLog is a log that can be read while it is written.
type lockedLog struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lockedLog) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(line)
}

func (l *lockedLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
