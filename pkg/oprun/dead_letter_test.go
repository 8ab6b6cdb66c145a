package oprun

import (
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"

	"oprun.example/pkg/dedupe"
)

// letter is a message that can never run.
func letter(seq int64) DeadLetter {
	return DeadLetter{
		Stream: "JOBS", Seq: seq, StoreTime: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC), Subject: "jobs.tenant.x.y",
		Headers: map[string][]string{"Oprun-Version": {"2", "3"}}, Body: []byte("not \x00 JSON \xff"),
		Reason: dedupe.Malformed.String(), Detail: "line 1:\n\ta NUL \x00 and \xff",
	}
}

func TestAltered(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		letter DeadLetter
		want   string
	}{
		"plain":                        {letter(1), ""},
		"a subject that is no text":    {DeadLetter{Subject: storableText("jobs.\xff")}, "subject"},
		"a value that is no text":      {DeadLetter{Headers: storable(map[string][]string{"a": {"ok"}, "b": {"ok", "\x00"}})}, "header b"},
		"a name that is no text":       {DeadLetter{Headers: storable(map[string][]string{"\xff": {"ok"}})}, `header "\xff"`},
		"quotes of the sender's own":   {DeadLetter{Headers: map[string][]string{"etag": {`"abc"`, "`b`", `""`}}}, ""},
		"an empty value, and no value": {DeadLetter{Headers: map[string][]string{"a": {""}, "b": nil}}, ""},
	} {
		same(t, name, test.want, test.letter.Altered())
	}
}

func TestBury(t *testing.T) {
	t.Parallel()
	scenes(t, map[string]func(s *scene){
		"a_message_is_kept_whole": func(s *scene) {
			run := uuid.New()
			want := letter(1)
			want.RunID = &run
			must(s.t, s.Bury(s.t.Context(), []DeadLetter{want}))
			list, err := s.DeadLetters(s.t.Context(), DeadLetterFilter{})
			must(s.t, err)
			got, err := s.DeadLetter(s.t.Context(), list[0].ID)
			must(s.t, err)
			want.ID, want.CreatedAt, want.BodyBytes = got.ID, got.CreatedAt, len(want.Body)
			want.Detail = "line 1: a NUL and \uFFFD"
			same(s.t, "dead letter", want, got)
			want.Body = nil
			same(s.t, "in the list", []DeadLetter{want}, list)
		},
		"what_no_text_can_hold_is_spelled_out": func(s *scene) {
			bad := letter(1)
			bad.Subject = "jobs.\xff"
			bad.Headers = map[string][]string{"a\x00": {"plain", "b\x00", "\xc3\x28"}}
			bad.Body = nil
			must(s.t, s.Bury(s.t.Context(), []DeadLetter{bad}))
			list, err := s.DeadLetters(s.t.Context(), DeadLetterFilter{})
			must(s.t, err)
			same(s.t, "subject", `"jobs.\xff"`, list[0].Subject)
			same(s.t, "headers", map[string][]string{`"a\x00"`: {"plain", `"b\x00"`, `"\xc3("`}}, list[0].Headers)
			same(s.t, "body", 0, list[0].BodyBytes)
		},
		"burying_a_message_twice_changes_nothing": func(s *scene) {
			first, second := letter(1), letter(1)
			second.Detail, second.Reason = "another", dedupe.Oversize.String()
			must(s.t, s.Bury(s.t.Context(), []DeadLetter{first, letter(2), second}))
			must(s.t, s.Bury(s.t.Context(), []DeadLetter{second, letter(3)}))
			remade := letter(1)
			remade.StoreTime = remade.StoreTime.Add(time.Second) // the same number in a stream that was made anew
			must(s.t, s.Bury(s.t.Context(), []DeadLetter{remade}))
			list, err := s.DeadLetters(s.t.Context(), DeadLetterFilter{Reason: dedupe.Malformed.String()})
			must(s.t, err)
			same(s.t, "dead letters", 4, len(list))
		},
		"every_reason_has_a_place": func(s *scene) {
			var letters []DeadLetter
			for r := dedupe.Malformed; r <= dedupe.SchemaViolated; r++ {
				d := letter(int64(r))
				d.Reason = r.String()
				letters = append(letters, d)
			}
			must(s.t, s.Bury(s.t.Context(), letters))
			list, err := s.DeadLetters(s.t.Context(), DeadLetterFilter{Reason: dedupe.UnknownRun.String()})
			must(s.t, err)
			same(s.t, "of one reason", 1, len(list))
		},
		"pages_follow_each_other_from_the_newest": func(s *scene) {
			for seq := range int64(5) {
				must(s.t, s.Bury(s.t.Context(), []DeadLetter{letter(seq)}))
			}
			var seqs []int64
			f := DeadLetterFilter{Limit: 2}
			for range 3 {
				page, err := s.DeadLetters(s.t.Context(), f)
				must(s.t, err)
				for _, d := range page {
					seqs = append(seqs, d.Seq)
					f.Before = d.ID
				}
			}
			same(s.t, "sequences", []int64{4, 3, 2, 1, 0}, seqs)
		},
		"a_dead_letter_that_is_not_there_is_not_found": func(s *scene) {
			if _, err := s.DeadLetter(s.t.Context(), uuid.New()); !errors.Is(err, ErrNotFound) {
				s.t.Errorf("a dead letter that is not there: %v", err)
			}
			if _, err := s.MarkRequeued(s.t.Context(), uuid.New()); !errors.Is(err, ErrNotFound) {
				s.t.Errorf("requeued a dead letter that is not there: %v", err)
			}
			must(s.t, s.Bury(s.t.Context(), nil))
		},
		"what_was_requeued_no_longer_waits": func(s *scene) {
			must(s.t, s.Bury(s.t.Context(), []DeadLetter{letter(1), letter(2)}))
			list, err := s.DeadLetters(s.t.Context(), DeadLetterFilter{Waiting: true})
			must(s.t, err)
			same(s.t, "waiting", 2, len(list))
			at, err := s.MarkRequeued(s.t.Context(), list[0].ID)
			must(s.t, err)
			waiting, err := s.DeadLetters(s.t.Context(), DeadLetterFilter{Waiting: true})
			must(s.t, err)
			same(s.t, "waiting after", list[1:], waiting)
			got, err := s.DeadLetter(s.t.Context(), list[0].ID)
			must(s.t, err)
			same(s.t, "requeued", at, *got.Requeued)
		},
	})
}
