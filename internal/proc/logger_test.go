package proc

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
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
		if IsTerminal(file) || IsTerminal(null) {
			t.Errorf("a terminal: file %t, null device %t", IsTerminal(file), IsTerminal(null))
		}
	})
	t.Run("on a terminal it writes for people", func(t *testing.T) {
		t.Parallel()
		device, err := os.OpenFile("/dev/zero", os.O_WRONLY, 0) // passes for one, and keeps nothing
		if err != nil {
			t.Fatal(err)
		}
		defer device.Close()
		for format, want := range map[string]string{"": "*tint.handler", "json": "*slog.JSONHandler"} {
			log, err := Logger(device, format, "")
			if err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprintf("%T", log.Handler()); got != want {
				t.Errorf("format %q is written by %s, want %s", format, got, want)
			}
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

// What strangers have sent is a value, and never an order to the terminal, with colours or without.
func TestLogIsInert(t *testing.T) {
	t.Parallel()
	const hostile = "a\x1b[2Jb\x1b]0;owned\x07c\r\nINFO run ended\u009b31m\x7f\u202e\xffd"
	for name, colours := range map[string]bool{"in colour": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var plain, out bytes.Buffer
			slog.New(textHandler(&plain, slog.LevelInfo, colours)).Info("message", "key", "a", "group", slog.GroupValue(slog.String("key", "a")), "error", errors.New("a"), "list", []string{"a"})
			slog.New(textHandler(&out, slog.LevelInfo, colours)).Info("message", "key", hostile, "group", slog.GroupValue(slog.String("key", hostile)), "error", errors.New(hostile), "list", []string{hostile})
			steering := func(b bytes.Buffer) (found []string) {
				for _, r := range b.String() {
					if steers(r) {
						found = append(found, strconv.QuoteRune(r))
					}
				}
				return found
			}
			if want, got := steering(plain), steering(out); !slices.Equal(want, got) || strings.Count(out.String(), "owned\u2407c\u240d\u240aINFO run ended?31m???d") != 4 {
				t.Errorf("%q: what steers is %q, and %q without what strangers sent", out.String(), got, want)
			}
		})
	}
	t.Run("even a message is one line", func(t *testing.T) {
		t.Parallel()
		var out bytes.Buffer
		slog.New(textHandler(&out, slog.LevelInfo, false)).Info(hostile)
		if text := out.String(); strings.Count(text, "\n") != 1 || strings.ContainsAny(text, "\x1b\x07\r\u009b") {
			t.Errorf("%q", text)
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
