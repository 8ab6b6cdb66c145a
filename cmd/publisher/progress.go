package main

import (
	"fmt"
	"time"

	"oprun.example/internal/bulk"
	"oprun.example/internal/proc"
)

const (
	showEvery = 200 * time.Millisecond // on a terminal
	logEvery  = 10 * time.Second       // elsewhere
)

// progress shows how far a command is: on a terminal as a line that is written over, elsewhere as a log line now and then.
type progress struct {
	*app
	terminal, shown bool
	last            time.Time
}

func newProgress(a *app) *progress {
	return &progress{app: a, terminal: proc.IsTerminal(a.err), last: time.Now()}
}

// show tells it with these words on a terminal, and with these attributes in the log.
func (p *progress) show(text string, attributes ...any) {
	now := time.Now()
	switch since := now.Sub(p.last); {
	case p.terminal && since >= showEvery:
		p.last, p.shown = now, true
		fmt.Fprint(p.err, overwrite, text, "\r") // back to its start: a log line may come between
	case !p.terminal && since >= logEvery:
		p.last = now
		p.log.Info("progress", attributes...)
	}
}

// showMany is show for the lines of a file.
func (p *progress) showMany(r bulk.Report) {
	p.show(progressText(r), "up_to_line", r.UpTo, "refused", r.Refused, "jobs_per_second", int(r.PerSecond))
}

// overwrite goes to the start of the line and empties it.
const overwrite = "\r\x1b[K"

func (p *progress) clear() {
	if p.shown {
		fmt.Fprint(p.err, overwrite)
	}
}

func progressText(r bulk.Report) string {
	text := fmt.Sprintf("line %d, %.0f jobs/s", r.UpTo, r.PerSecond)
	if r.Size > 0 {
		text = fmt.Sprintf("%3.0f %%  %s", 100*float64(r.Offset)/float64(r.Size), text)
	}
	if r.Suppressed > 0 {
		text += fmt.Sprintf(", %d suppressed", r.Suppressed)
	}
	if r.Refused > 0 {
		text += fmt.Sprintf(", %d refused", r.Refused)
	}
	return text
}
