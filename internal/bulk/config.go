package bulk

import (
	"io"
	"log/slog"

	"github.com/google/uuid"

	"oprun.example/pkg/catalog"
	"oprun.example/pkg/events"
)

// Stdin is the source that is no file.
const Stdin = "-"

// Config says what to publish, and how. From, Catalog, Publisher and Log are required.
type Config struct {
	From      string    // a file, or Stdin
	In        io.Reader // what Stdin stands for; when it may have to wait for more, what has come is published first
	Defaults  Asked     // what a line does not say
	Catalog   *catalog.Catalog
	Publisher *events.Publisher
	Log       *slog.Logger

	Target  string    // where the stream is, for the resume file: a file that was published here is not taken for published there
	Batch   uuid.UUID // zero: that of the resume file, or a new one
	Again   bool      // begin a new batch where the old one is finished
	Resume  string    // the resume file; empty: From with .resume, and none for Stdin
	Refused string    // where refused lines go; empty: From with .refused, and stdin.refused for Stdin

	// Progress is told now and then how far it is; nil: nobody is.
	Progress func(Report)
}

func (c Config) withDefaults() Config {
	beside := c.From
	if c.From == Stdin {
		beside = "stdin"
	} else if c.Resume == "" {
		c.Resume = c.From + ".resume"
	}
	if c.Refused == "" {
		c.Refused = beside + ".refused"
	}
	if c.Progress == nil {
		c.Progress = func(Report) {}
	}
	return c
}

// Counts are what became of the lines of a batch, in all runs of it.
type Counts struct {
	Lines      int `json:"lines"` // that are not empty
	Accepted   int `json:"accepted"`
	Suppressed int `json:"suppressed"` // the stream had them already, from an earlier run perhaps
	Refused    int `json:"refused"`
}

// Report tells how far a publication is.
type Report struct {
	Batch    uuid.UUID `json:"batch"`
	Finished bool      `json:"finished"`
	Counts
	UpTo        int     `json:"up_to_line"`         // every line up to this one is in the stream or refused
	Resumed     int     `json:"resumed_after_line"` // where this run began
	RefusedFile string  `json:"refused_file,omitempty"`
	Seconds     float64 `json:"seconds"`
	PerSecond   float64 `json:"jobs_per_second"` // of this run

	Offset, Size int64 `json:"-"` // bytes read, and to read; a Size of 0 is not known
}
