package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"oprun.example/internal/proc"
	"oprun.example/pkg/events"
)

func TestExplainLoad_says_after_how_many_messages_and_who_is_away(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		cause error
		code  proc.Code
		hint  string
	}{
		{events.ErrStreamFull, proc.Failed, "consumer topology apply --max-bytes <more>"},
		{events.ErrNoAck, proc.Unavailable, ""},
		{&pgconn.PgError{Code: "57P01"}, proc.Unavailable, "consumer migrate status"},
		{errors.New("something else"), proc.Failed, ""},
	} {
		known := explainLoad(fmt.Errorf("message 7: %w", test.cause), 7)
		if known.Code != test.code || !strings.Contains(known.Hint, test.hint) || (test.hint == "") != (known.Hint == "") ||
			!strings.HasPrefix(known.Error(), "stopped after 7 messages: message 7: ") || !errors.Is(known, test.cause) {
			t.Errorf("%v: got %v (%v), hint %q", test.cause, known, known.Code, known.Hint)
		}
	}
}
