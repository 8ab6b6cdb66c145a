package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"

	"oprun.example/internal/bulk"
	"oprun.example/internal/proc"
	"oprun.example/pkg/events"
)

func TestExplainStop_says_up_to_where_why_and_what_to_type(t *testing.T) {
	t.Parallel()
	batch := uuid.MustParse("019236f0-8b86-7d01-b42d-00cf4fc964e1")
	for _, test := range []struct {
		from  string
		cause error
		code  proc.Code
		words []string
	}{
		{"jobs.ndjson", events.ErrNotAllowed, proc.Failed, []string{"may not publish here", "give this user the right"}},
		{"jobs.ndjson", events.ErrNoAck, proc.Unavailable, []string{"no acknowledgement", "type the same again: it goes on"}},
		{"jobs.ndjson", events.ErrNoStream, proc.Unavailable, []string{"consumer topology apply --max-bytes <size>; then type the same again"}},
		{"jobs.ndjson", events.ErrStreamFull, proc.Failed, []string{"consumer topology apply --max-bytes <more>; then type the same again"}},
		{"-", context.Canceled, proc.Failed, []string{"type the same again, with --batch " + batch.String() + " and from the first line"}},
	} {
		c := publishCommand{many: many{From: test.from}}
		err := c.explainStop(fmt.Errorf("it stops: %w", test.cause), bulk.Report{
			Batch: batch, UpTo: 7000, RefusedFile: "jobs.refused", Counts: bulk.Counts{Lines: 7000, Refused: 3},
		})
		known, ok := errors.AsType[*proc.Error](err)
		if !ok || known.Code != test.code || errors.Is(err, context.Canceled) {
			t.Errorf("%v: got %#v", test.cause, err)
			continue
		}
		text := known.Error() + "\n" + known.Hint
		for _, word := range append(test.words, "every line up to line 7000 but the 3 in jobs.refused is in the stream", "asks for no job twice") {
			if !strings.Contains(text, word) {
				t.Errorf("%v: %q is missing in\n%s", test.cause, word, text)
			}
		}
	}
}
