package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"strconv"

	"oprun.example/internal/proc"
	"oprun.example/pkg/events"
	"oprun.example/pkg/jobs"
	"oprun.example/pkg/oprun"
)

// shadowFlags are those of run that make it play a record instead.
type shadowFlags struct {
	Shadow string      `placeholder:"NAME" help:"Play recorded messages in a shadow of this name, and do nothing else. Handlers are not run: http and exec cannot be taken back. The verdicts are compared (consumer shadow diff)."`
	From   string      `placeholder:"FILE" help:"The record: what publisher record writes, plain or compressed; - is stdin. Without one, --stream NAME says which stream to play: what it holds now."`
	Since  proc.Moment `placeholder:"TIME" help:"Of the record, what was stored since: how long ago, as in 90m or 7d, or a time, as in 2026-01-31T15:04:05Z."`
	Until  proc.Moment `placeholder:"TIME" help:"Of the record, what was stored before, written like --since."`
	Fresh  bool        `help:"Drop a shadow of this name first."`
}

func (f *shadowFlags) validate(fromStream bool) error {
	switch {
	case f.Shadow == "" && (f.From != "" || f.Fresh || !f.Since.IsZero() || !f.Until.IsZero()):
		return errors.New("--from, --since, --until and --fresh are for a shadow: write --shadow <name>, too")
	case f.Shadow == "":
		return nil
	case f.From == "" && !fromStream:
		return errors.New("--shadow wants a record: write --from <file>, or --stream <name>")
	case f.From != "" && fromStream:
		return errors.New("--from and --stream exclude each other")
	}
	if err := proc.ValidPart(0, 0, f.Since, f.Until); err != nil {
		return err
	}
	return oprun.ValidShadow(f.Shadow)
}

var tallyColumns = []column[jobs.ShadowTally]{
	{"RECORDS", func(t jobs.ShadowTally) string { return strconv.Itoa(t.Records) }},
	{"REPEATED", func(t jobs.ShadowTally) string { return strconv.Itoa(t.Repeated) }},
	{"NOT RUN", func(t jobs.ShadowTally) string { return strconv.Itoa(t.Refused) }},
	{"SKIPPED", func(t jobs.ShadowTally) string { return strconv.Itoa(t.Skipped) }},
}

// playShadow plays the record, and shows how much of it there was.
func (c *runCommand) playShadow(ctx context.Context, a *app) error {
	declared, err := loadCatalog(c.Catalog)
	if err != nil {
		return err
	}
	return a.withLedger(ctx, func(ledger *oprun.Ledger) error {
		records, source, closeRecords, err := c.records(ctx, a)
		if err != nil {
			return err
		}
		defer closeRecords()
		shadow, err := jobs.NewShadow(ledger, declared, &jobs.Mux{}, jobs.ShadowConfig{
			Name: c.Shadow, Fresh: c.Fresh, Source: source, Types: c.Types, Subjects: a.subjects(), Logger: a.log,
		})
		if err != nil {
			return misuse("run", "%w", err)
		}
		tally, err := shadow.Run(ctx, records)
		if err != nil {
			return explainShadow(ctx, c.Shadow, err)
		}
		a.log.Info("the record was played", "shadow", c.Shadow)
		return printOne(a, tally, tallyColumns)
	})
}

// records opens what is to be played.
func (c *runCommand) records(ctx context.Context, a *app) (records iter.Seq2[events.Message, error], source string, closeRecords func(), err error) {
	asked := events.Filter{Range: events.Range{Since: c.Since.Time, Until: c.Until.Time}}
	if c.From == "" {
		js, conn, err := a.jetStream(ctx)
		if err != nil {
			return nil, "", nil, err
		}
		return events.Read(ctx, js, a.Stream, asked.Range), "stream " + a.Stream, conn.Close, nil
	}
	file, err := c.open(ctx)
	if err != nil {
		return nil, "", nil, err
	}
	return func(yield func(events.Message, error) bool) {
		for m, err := range events.Records(file) {
			if err != nil {
				err = fmt.Errorf("%s: %w", c.From, err)
			} else if !asked.Match(m) {
				continue
			}
			if !yield(m, err) {
				return
			}
		}
	}, c.From, func() { _ = file.Close() }, nil
}

func (c *runCommand) open(ctx context.Context) (io.ReadCloser, error) {
	if c.From == "-" {
		return io.NopCloser(proc.Interruptible(ctx, os.Stdin)), nil
	}
	file, err := os.Open(c.From)
	if err != nil {
		return nil, &proc.Error{Code: proc.Usage, Err: fmt.Errorf("open the record: %w", err), Hint: "type: publisher record --help"}
	}
	return file, nil
}

// explainShadow says what to type about an error of a shadow.
func explainShadow(ctx context.Context, name string, err error) error {
	switch _, unreadable := errors.AsType[*events.RecordError](err); {
	case ctx.Err() != nil:
		return err
	case errors.Is(err, oprun.ErrShadowExists):
		return &proc.Error{Code: proc.Failed, Err: err, Hint: "type: consumer run --shadow " + name + " --fresh …, to make it anew, or consumer shadow diff " + name}
	case errors.Is(err, oprun.ErrNoShadow):
		return &proc.Error{Code: proc.Failed, Err: err, Hint: "type: consumer shadow list"}
	case errors.Is(err, oprun.ErrMayNotShadow):
		return &proc.Error{Code: proc.Failed, Err: err, Hint: "type, as the database's owner: grant create on database <database> to <role>"}
	case unreadable:
		return &proc.Error{Code: proc.Usage, Err: err, Hint: "type: consumer run --shadow " + name + " --fresh --from <file>, with a whole record, as publisher record writes it; of this one, what stands before that was played"}
	}
	return explainJetStream(ctx, err)
}
