package proc

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/lmittmann/tint"
)

// Logger returns a logger that writes to w. format is text, json or empty: text on a terminal, json otherwise. level is
// debug, info, warn, error or empty: info. Colours appear on a terminal only, and not when NO_COLOR is set. Anything
// else is an *Error with the code Usage. The logger may be used by many goroutines.
func Logger(w io.Writer, format, level string) (*slog.Logger, error) {
	least, err := parseLevel(level)
	if err != nil {
		return nil, err
	}
	terminal := IsTerminal(w)
	if format == "" {
		format = "json"
		if terminal {
			format = "text"
		}
	}
	switch format {
	case "json":
		return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: least})), nil
	case "text":
		return slog.New(textHandler(w, least, terminal && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb")), nil
	}
	return nil, &Error{
		Code: Usage,
		Err:  fmt.Errorf("unknown log format %q", format),
		Hint: "type: export OPRUN_LOG_FORMAT=text, or json",
	}
}

// textHandler writes for people. With colours the library lets escape sequences pass, and so do messages: what strangers
// have sent must not steer a terminal.
func textHandler(w io.Writer, least slog.Level, colours bool) slog.Handler {
	return tint.NewTextHandler(w, &tint.Options{
		Level: least, TimeFormat: time.TimeOnly, NoColor: !colours,
		ReplaceAttr: func(_ []string, attr slog.Attr) slog.Attr {
			switch attr.Value.Kind() {
			case slog.KindString, slog.KindAny:
				if text := attr.Value.String(); strings.ContainsFunc(text, steers) {
					attr.Value = slog.StringValue(strings.Map(pictured, text))
				}
			default: // numbers, times and the like are what they are
			}
			return attr
		},
	})
}

// steers reports what is not to reach a terminal as it is, nor the library, which cuts a text where it is no UTF-8.
func steers(r rune) bool { return !unicode.IsPrint(r) || r == utf8.RuneError }

// pictured stands in for it. The library would turn an escape that is spelled out into one.
func pictured(r rune) rune {
	const pictures = '\u2400' // of the ASCII control characters
	switch {
	case !steers(r):
		return r
	case r < ' ':
		return pictures + r
	default:
		return '?'
	}
}

func parseLevel(level string) (slog.Level, error) {
	switch level {
	case "debug":
		return slog.LevelDebug, nil
	case "", "info":
		return slog.LevelInfo, nil
	case "warn":
		return slog.LevelWarn, nil
	case "error":
		return slog.LevelError, nil
	}
	return 0, &Error{
		Code: Usage,
		Err:  fmt.Errorf("unknown log level %q", level),
		Hint: "type: export OPRUN_LOG_LEVEL=debug, info, warn or error",
	}
}

// IsTerminal reports whether somebody may look at w as it is written. It takes every character device but the null device for a
// terminal: that needs no system call of its own, and a wrong guess costs a colour.
func IsTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull)
	return err != nil || !os.SameFile(info, null)
}
