package proc

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLogger(t *testing.T) {
	t.Parallel()
	t.Run("off a terminal it writes json", func(t *testing.T) {
		t.Parallel()
		var out bytes.Buffer
		log, err := Logger(&out, "", "")
		if err != nil {
			t.Fatal(err)
		}
		log.Info("run ended", "outcome", "succeeded")
		var line map[string]any
		if err := json.Unmarshal(out.Bytes(), &line); err != nil || line["msg"] != "run ended" || line["outcome"] != "succeeded" {
			t.Errorf("line %q (%v)", &out, err)
		}
	})
	t.Run("a file is not a terminal, nor is the null device", func(t *testing.T) {
		t.Parallel()
		file, err := os.Create(filepath.Join(t.TempDir(), "log"))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer null.Close()
		if isTerminal(file) || isTerminal(null) {
			t.Errorf("a terminal: file %t, null device %t", isTerminal(file), isTerminal(null))
		}
	})
	t.Run("text off a terminal has no colour", func(t *testing.T) {
		t.Parallel()
		var out bytes.Buffer
		log, err := Logger(&out, "text", "")
		if err != nil {
			t.Fatal(err)
		}
		log.Error("claim failed", "error", errors.New("boom"))
		if text := out.String(); strings.Contains(text, "\x1b") || !strings.Contains(text, "claim failed error=boom") {
			t.Errorf("line %q", text)
		}
	})
}

func TestLoggerSettings(t *testing.T) {
	t.Parallel()
	t.Run("a level hides what is below it", func(t *testing.T) {
		t.Parallel()
		for level, lines := range map[string]int{"debug": 4, "": 3, "info": 3, "warn": 2, "error": 1} {
			var out bytes.Buffer
			log, err := Logger(&out, "json", level)
			if err != nil {
				t.Fatal(err)
			}
			log.Debug("a")
			log.Info("b")
			log.Warn("c")
			log.Error("d")
			if got := strings.Count(out.String(), "\n"); got != lines {
				t.Errorf("level %q: %d lines, want %d", level, got, lines)
			}
		}
	})
	t.Run("an unknown format or level is a usage error with a hint", func(t *testing.T) {
		t.Parallel()
		for _, wrong := range [][2]string{{"xml", ""}, {"", "loud"}} {
			_, err := Logger(&bytes.Buffer{}, wrong[0], wrong[1])
			known, ok := errors.AsType[*Error](err)
			if !ok || known.Code != Usage || !strings.Contains(known.Hint, "OPRUN_LOG_") {
				t.Errorf("format %q, level %q: %v", wrong[0], wrong[1], err)
			}
		}
	})
}
