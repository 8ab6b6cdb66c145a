package remote

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// tail keeps the last limit bytes of what is written to it.
type tail struct {
	limit int
	kept  []byte
	cut   bool // something was written before what is kept
}

func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p...)
	if len(t.kept) > 2*t.limit { // seldom, so that no byte is moved often
		t.trim()
	}
	return len(p), nil
}

func (t *tail) trim() {
	if over := len(t.kept) - t.limit; over > 0 {
		t.kept = append(t.kept[:0], t.kept[over:]...)
		t.cut = true
	}
}

func (t *tail) bytes() []byte {
	t.trim()
	return t.kept
}

// lastLine returns the last line that is not empty; nothing when its beginning is lost.
func (t *tail) lastLine() []byte {
	text := bytes.TrimRight(t.bytes(), " \t\r\n")
	at := bytes.LastIndexByte(text, '\n')
	if at < 0 && t.cut {
		return nil
	}
	return text[at+1:]
}

// text returns what is kept, in characters that a database takes, and of it the last limit bytes.
func (t *tail) text(limit int) string {
	text := strings.ReplaceAll(strings.ToValidUTF8(string(t.bytes()), "?"), "\x00", "?")
	text = strings.TrimSpace(text)
	from := max(0, len(text)-max(0, limit))
	for from < len(text) && !utf8.RuneStart(text[from]) {
		from++
	}
	return text[from:]
}
