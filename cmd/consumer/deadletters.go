package main

import (
	"context"
	"errors"
	"strconv"

	"github.com/google/uuid"

	"oprun.example/internal/proc"
	"oprun.example/pkg/oprun"
)

type deadLetterCommands struct {
	List    deadLettersListCommand    `cmd:"" help:"List dead letters, newest first."`
	Show    deadLettersShowCommand    `cmd:"" help:"Show one dead letter, whole."`
	Requeue deadLettersRequeueCommand `cmd:"" help:"Put dead letters into the stream again, as new requests."`
}

type deadLettersListCommand struct {
	Reason  string `enum:",${reasons}" default:"" placeholder:"REASON" help:"One of ${reasons}."`
	Waiting bool   `help:"Only those that were not requeued."`
	page
}

type deadLettersShowCommand struct {
	ID   uuid.UUID `arg:"" help:"The dead letter's id."`
	Body bool      `help:"Write the body alone to stdout, byte for byte."`
}

var deadLetterColumns = []column[oprun.DeadLetter]{
	{"DEAD LETTER", func(d oprun.DeadLetter) string { return d.ID.String() }},
	{"REASON", func(d oprun.DeadLetter) string { return d.Reason }},
	{"DETAIL", func(d oprun.DeadLetter) string { return d.Detail }},
	{"SUBJECT", func(d oprun.DeadLetter) string { return d.Subject }},
	{"ORIGIN", func(d oprun.DeadLetter) string { return d.Stream + " " + strconv.FormatInt(d.Seq, 10) }},
	{"BYTES", func(d oprun.DeadLetter) string { return strconv.Itoa(d.BodyBytes) }},
	{"CREATED", func(d oprun.DeadLetter) string { return moment(d.CreatedAt) }},
	{"REQUEUED", func(d oprun.DeadLetter) string { return optional(d.Requeued, moment) }},
}

var wholeLetterColumns = append(deadLetterColumns[:len(deadLetterColumns):len(deadLetterColumns)], []column[oprun.DeadLetter]{
	{"STORED", func(d oprun.DeadLetter) string { return moment(d.StoreTime) }},
	{"RUN", func(d oprun.DeadLetter) string { return optional(d.RunID, uuid.UUID.String) }},
	{"HEADERS", func(d oprun.DeadLetter) string { return pairs(d.Headers) }},
	{"BODY", func(d oprun.DeadLetter) string { return string(d.Body) }},
}...)

// Run lists a page of dead letters.
func (c *deadLettersListCommand) Run(ctx context.Context, a *app) error {
	if err := c.validate("deadletters list"); err != nil {
		return err
	}
	return a.withLedger(ctx, func(ledger *oprun.Ledger) error {
		letters, err := ledger.DeadLetters(ctx, oprun.DeadLetterFilter{Before: c.Before, Reason: c.Reason, Waiting: c.Waiting, Limit: c.Limit})
		if err != nil {
			return err
		}
		c.more(a, len(letters), func() uuid.UUID { return letters[len(letters)-1].ID })
		return printList(a, letters, deadLetterColumns)
	})
}

// Run shows the dead letter, or writes its body.
func (c *deadLettersShowCommand) Run(ctx context.Context, a *app) error {
	return a.withLedger(ctx, func(ledger *oprun.Ledger) error {
		letter, err := ledger.DeadLetter(ctx, c.ID)
		if err != nil {
			return notFound(err, "type: consumer deadletters list")
		}
		if c.Body {
			_, err := a.out.Write(letter.Body)
			return err
		}
		return printOne(a, letter, wholeLetterColumns)
	})
}

// notFound adds where to look for what the ledger does not have.
func notFound(err error, hint string) error {
	if errors.Is(err, oprun.ErrNotFound) {
		return &proc.Error{Code: proc.Failed, Err: err, Hint: hint}
	}
	return err
}
