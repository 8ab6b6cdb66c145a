package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"oprun.example/internal/proc"
	"oprun.example/pkg/events"
)

type recordCommand struct {
	File string `arg:"" optional:"" default:"-" placeholder:"FILE" help:"Where to write; - is stdout. A name that ends with .zst is compressed. Default: ${default}."`
	picks
	Follow bool `help:"Go on with what is stored from now on, until interrupted, or up to --until or --to-seq."`
	Zstd   bool `help:"Compress with zstd, whatever the name."`
	Force  bool `help:"Write over a file that is there."`
}

// Help is the longer text of --help.
func (*recordCommand) Help() string {
	return `An example:

	publisher record --type assignments.fetch --since 1d recorded.ndjson.zst

Each line of the record is one message: its subject, headers and body, and the stream, sequence number and time at which it was stored. It is read without a consumer, so that nobody's work is disturbed, and ends at what was the stream's last message when it began, unless --follow is given. At the end it says how many messages there are, and the places of the first and the last.

A record ends with a whole line, also when this program is killed.`
}

// Run records.
func (c *recordCommand) Run(ctx context.Context, a *app) error {
	if err := errors.Join(c.validate(), a.validateSubjects()); err != nil {
		return misuse("record", "%w", err)
	}
	return a.withJetStream(ctx, func(ctx context.Context, js jetstream.JetStream) error {
		stream, err := js.Stream(ctx, a.Stream) // before there is a file
		if err != nil {
			return explainStream(ctx, err)
		}
		out, err := c.open(a)
		if err != nil {
			return err
		}
		t := &tape{app: a, js: js, stream: stream, filter: c.filter(a.subjects()), out: out, progress: newProgress(a)}
		err = t.record(ctx, c)
		return errors.Join(explainStream(ctx, err), t.tell(c.File))
	})
}

// open opens the file, or stdout.
func (c *recordCommand) open(a *app) (io.WriteCloser, error) {
	if c.File == "-" {
		return keepOpen{a.out}, nil
	}
	how := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	if c.Force {
		how = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	}
	file, err := os.OpenFile(c.File, how, 0o600) // it may hold what the jobs are about
	if errors.Is(err, fs.ErrExist) {
		return nil, &proc.Error{Code: proc.Usage, Err: fmt.Errorf("%s is there already", c.File), Hint: "type another name, or --force to write over it"}
	}
	if err != nil {
		return nil, misuse("record", "%w", err)
	}
	return file, nil
}

type keepOpen struct{ io.Writer }

// Close implements io.Closer: it leaves the writer to others.
func (keepOpen) Close() error { return nil }

// tape is one recording.
type tape struct {
	*app
	js          jetstream.JetStream
	stream      jetstream.Stream
	filter      events.Filter
	out         io.WriteCloser
	progress    *progress
	next        uint64 // where to go on
	messages    int
	bytes       int64
	first, last events.Place
}

// Write counts what goes to the file.
func (t *tape) Write(p []byte) (int, error) {
	n, err := t.out.Write(p)
	t.bytes += int64(n)
	return n, err
}

// record writes what there is, and with --follow what comes. Everything it has read is in the file when it returns.
func (t *tape) record(ctx context.Context, c *recordCommand) (err error) {
	recorder, err := events.NewRecorder(t, c.Zstd || strings.HasSuffix(c.File, ".zst"))
	if err != nil {
		return errors.Join(err, t.out.Close())
	}
	defer func() { err = errors.Join(err, recorder.Close(), t.out.Close()) }()
	for {
		more, err := t.pass(ctx, recorder)
		if err == nil && more && c.Follow {
			err = errors.Join(recorder.Flush(), soon(ctx))
		}
		switch {
		case c.Follow && ctx.Err() != nil && !errors.Is(context.Cause(ctx), events.ErrNotAllowed): // it was asked to stop
			return nil
		case err != nil || !more || !c.Follow:
			return err
		}
	}
}

// pass records what the stream holds by now and has not been read, and reports whether more may come.
func (t *tape) pass(ctx context.Context, recorder *events.Recorder) (more bool, err error) {
	info, err := t.stream.Info(ctx)
	if err != nil {
		return false, err
	}
	last := info.State.LastSeq
	if last+1 < t.next {
		return false, fmt.Errorf("the stream was made anew: its last message is %d, and %d was recorded", last, t.next-1)
	}
	if last < t.next {
		return t.more(last, info.TimeStamp), nil
	}
	wanted := t.filter.Narrowed()
	if wanted.FromSeq = max(wanted.FromSeq, t.next); t.next > 0 {
		wanted.Since = time.Time{} // or it would begin there once more
	}
	if wanted.ToSeq == 0 || wanted.ToSeq > last {
		wanted.ToSeq = last
	}
	for m, err := range events.Read(ctx, t.js, t.Stream, wanted) {
		if err != nil {
			return false, err
		}
		if t.filter.Match(m) {
			if err := recorder.Write(m); err != nil {
				return false, err
			}
			t.saw(m.Place())
		}
		t.progress.show(fmt.Sprintf("%d messages, up to number %d of %d", t.messages, m.Seq, last), "messages", t.messages, "up_to", m.Seq, "of", last)
	}
	t.next = last + 1
	return t.more(last, info.TimeStamp), nil
}

// more reports whether the filter takes what comes behind a message, or after a time.
func (t *tape) more(last uint64, at time.Time) bool {
	return (t.filter.ToSeq == 0 || last < t.filter.ToSeq) && (t.filter.Until.IsZero() || at.Before(t.filter.Until))
}

func (t *tape) saw(place events.Place) {
	if t.messages == 0 {
		t.first = place
	}
	t.messages, t.last = t.messages+1, place
}

// soon waits until it is worth to look again.
func soon(ctx context.Context) error {
	const pause = 250 * time.Millisecond
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// recorded is what there is to know of a record.
type recorded struct {
	File     string `json:"file"`
	Messages int    `json:"messages"`
	Bytes    int64  `json:"bytes"`
	First    string `json:"first,omitempty"` // a place: stream, sequence number, store time in ns
	Last     string `json:"last,omitempty"`
}

// tell says what was recorded: on stdout, or in the log when the record itself goes there.
func (t *tape) tell(file string) error {
	t.progress.clear()
	r := recorded{File: file, Messages: t.messages, Bytes: t.bytes}
	if t.messages > 0 {
		r.First, r.Last = t.first.String(), t.last.String()
	}
	switch {
	case file == "-":
		t.log.Info("recorded", "messages", r.Messages, "bytes", r.Bytes, "first", r.First, "last", r.Last)
		return nil
	case t.Output != "table":
		return t.encode(r)
	}
	table := tabwriter.NewWriter(t.app.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "FILE\tMESSAGES\tBYTES\tFIRST\tLAST")
	fmt.Fprintf(table, "%s\t%d\t%d\t%s\t%s\n", r.File, r.Messages, r.Bytes, orDash(r.First), orDash(r.Last))
	return table.Flush()
}

// explainStream says what to type when the stream cannot be read.
func explainStream(ctx context.Context, err error) error {
	switch {
	case err == nil || ctx.Err() != nil:
		return err
	case errors.Is(err, jetstream.ErrStreamNotFound), errors.Is(err, jetstream.ErrConsumerNotFound):
		return &proc.Error{Code: proc.Unavailable, Err: err, Hint: "type: consumer topology apply --max-bytes <size>"}
	case errors.Is(err, events.ErrNoDirectGet):
		return &proc.Error{Code: proc.Failed, Err: err, Hint: "type: consumer topology apply --max-bytes <size>"}
	case errors.Is(err, context.DeadlineExceeded):
		return &proc.Error{Code: proc.Unavailable, Err: fmt.Errorf("%w: the broker is away or slow, or this user may not use its API", err), Hint: "type: consumer topology plan, to see whether it answers"}
	}
	return err
}
