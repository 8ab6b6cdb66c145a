package main

import (
	"fmt"
	"io"
	"os"
)

// progress is one line that is written over and over, on a terminal only.
type progress struct {
	to    io.Writer // nil: no terminal
	shown bool
}

func newProgress(to io.Writer) *progress {
	if file, ok := to.(*os.File); ok {
		if info, err := file.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			return &progress{to: to}
		}
	}
	return &progress{}
}

const clearLine = "\r\x1b[K"

func (p *progress) show(text string) {
	if p.to != nil {
		p.shown = true
		_, _ = fmt.Fprint(p.to, clearLine, text)
	}
}

func (p *progress) clear() {
	if p.shown {
		p.shown = false
		_, _ = fmt.Fprint(p.to, clearLine)
	}
}

// afterProgress writes lasting output where the progress line was.
type afterProgress struct {
	line *progress
	to   io.Writer
}

// Write clears the line before it writes.
func (w *afterProgress) Write(b []byte) (int, error) {
	w.line.clear()
	return w.to.Write(b)
}
