package jobs

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
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
