package remote

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestTailKeepsTheLastBytes(t *testing.T) {
	t.Parallel()
	kept := &tail{limit: 5}
	var all string
	for _, piece := range []string{"a", "bc", "", "defghijklmnopq", "r", "stuv", "w", "xyz"} {
		_ = must(kept.Write([]byte(piece)))(t)
		all += piece
		if got, want := string(kept.bytes()), all[max(0, len(all)-5):]; got != want {
			t.Errorf("after %q: kept %q, want %q", all, got, want)
		}
	}
}

func TestTailStaysSmall(t *testing.T) {
	t.Parallel()
	kept := &tail{limit: 1000}
	piece := make([]byte, 300)
	for range 10_000 {
		_ = must(kept.Write(piece))(t)
	}
	if cap(kept.kept) > 4000 || len(kept.bytes()) != 1000 {
		t.Errorf("kept %d bytes in %d", len(kept.bytes()), cap(kept.kept))
	}
}

func TestLastLine(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		limit      int
		text, want string
	}{
		"of one line":                          {100, "one", "one"},
		"of several":                           {100, "one\ntwo\n", "two"},
		"with carriage returns":                {100, "one\r\ntwo\r\n", "two"},
		"before empty ones":                    {100, "one\ntwo\n\n \n", "two"},
		"of nothing":                           {100, "\n", ""},
		"whole, after others that are lost":    {5, "one\ntwo\n", "two"},
		"not, when its beginning is lost":      {5, "one\nabcdefgh\n", ""},
		"not, when the only beginning is lost": {5, "abcdefgh", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kept := &tail{limit: c.limit}
			_ = must(kept.Write([]byte(c.text)))(t)
			if got := string(kept.lastLine()); got != c.want {
				t.Errorf("last line %q, want %q", got, c.want)
			}
		})
	}
}

func TestTailTextFitsADatabase(t *testing.T) {
	t.Parallel()
	kept := &tail{limit: 100}
	_ = must(kept.Write([]byte("\x00\xff" + strings.Repeat("é", 20) + "end\n")))(t)
	if got, want := kept.text(100), "??"+strings.Repeat("é", 20)+"end"; got != want {
		t.Errorf("text %q, want %q", got, want)
	}
	// One byte of the limit would be half a character.
	if got := kept.text(6); got != "éend" || !utf8.ValidString(got) {
		t.Errorf("text %q", got)
	}
	if got := kept.text(-1); got != "" {
		t.Errorf("text %q", got)
	}
}
