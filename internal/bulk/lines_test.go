package bulk

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

type readLine struct {
	Number int
	Bytes  int
	Whole  bool
}

func TestLines(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", MaxLineBytes+10)
	for name, test := range map[string]struct {
		text string
		want []readLine
	}{
		"ends_of_both_kinds":      {"a\nbb\r\n", []readLine{{1, 1, true}, {2, 2, true}}},
		"no_end_at_the_end":       {"a\nbb", []readLine{{1, 1, true}, {2, 2, true}}},
		"empty_ones_count":        {"\n\n  \na\n", []readLine{{1, 0, true}, {2, 0, true}, {3, 0, true}, {4, 1, true}}},
		"nothing":                 {"", nil},
		"one_that_is_too_long":    {"a\n" + long + "\nb\n", []readLine{{1, 1, true}, {2, MaxLineBytes, false}, {3, 1, true}}},
		"one_that_is_and_the_end": {long, []readLine{{1, MaxLineBytes, false}}},
	} {
		l := newLines(strings.NewReader(test.text))
		var got []readLine
		for {
			line, whole, err := l.next()
			if errors.Is(err, io.EOF) {
				break
			}
			check(t, err)
			got = append(got, readLine{l.number, len(line), whole})
		}
		if diff := cmp.Diff(test.want, got); diff != "" || l.offset != int64(len(test.text)) {
			t.Errorf("%s: at byte %d of %d\n%s", name, l.offset, len(test.text), diff)
		}
	}
}

func TestLines_skip_goes_to_a_place_if_all_before_it_is_as_it_was(t *testing.T) {
	t.Parallel()
	l := newLines(strings.NewReader("a\nb\nc\n"))
	for range 2 {
		if _, _, err := l.next(); err != nil {
			t.Fatal(err)
		}
	}
	to := l.place()
	for text, want := range map[string]error{"a\nb\nc\n": nil, "a\nb\n": nil, "a\nb\nd\n": nil, "a\nx\nc\n": errChanged, "a\n": errChanged} {
		again := newLines(strings.NewReader(text))
		if err := again.skip(to); !errors.Is(err, want) {
			t.Errorf("%q: got %v, want %v", text, err, want)
		} else if err == nil && again.place() != to {
			t.Errorf("%q: it is at another place", text)
		}
	}
}

// growing is a file to which somebody adds the next part whenever its end was read.
type growing struct{ parts []string }

func (g *growing) Read(into []byte) (int, error) {
	if len(g.parts) == 0 || g.parts[0] == "" {
		g.parts = g.parts[min(1, len(g.parts)):]
		return 0, io.EOF
	}
	n := copy(into, g.parts[0])
	g.parts[0] = g.parts[0][n:]
	return n, nil
}

// A line that somebody is just writing is never read in two halves: the end of the source is where it was first met, and who goes on behind
// a line that had no end then learns that it is another one now.
func TestLines_of_a_file_that_grows(t *testing.T) {
	t.Parallel()
	l := newLines(&growing{[]string{"a\nha", "lf\nc\n"}})
	var got []string
	for {
		line, _, err := l.next()
		if errors.Is(err, io.EOF) {
			break
		}
		check(t, err)
		got = append(got, string(line))
	}
	if diff := cmp.Diff([]string{"a", "ha"}, got); diff != "" {
		t.Error(diff)
	}
	if _, _, err := l.next(); !errors.Is(err, io.EOF) {
		t.Errorf("behind its end: %v", err)
	}
	for text, want := range map[string]error{"a\nha": nil, "a\nhalf\nc\n": errChanged, "a\nha\n": errChanged} {
		if err := newLines(strings.NewReader(text)).skip(l.place()); !errors.Is(err, want) {
			t.Errorf("%q: got %v, want %v", text, err, want)
		}
	}
}

// The ids of a batch may never change: a publication that one version has begun is gone on with by another.
func TestRequestID(t *testing.T) {
	t.Parallel()
	batch := uuid.MustParse("019236f0-8b86-7d01-b42d-00cf4fc964e1")
	for _, test := range []struct {
		number int
		line   string
		want   string
	}{
		{1, `{"input": {"line": 1}}`, "019236f0-8b86-780a-8708-02fa06fa0171"},
		{2, `{"input": {"line": 1}}`, "019236f0-8b86-7bc2-9c87-31468760b0ae"},
		{1, `{"input": {"line": 2}}`, "019236f0-8b86-73a1-b6a6-5040e56f451e"},
		{1_000_000, `{"input": {"line": 1}}`, "019236f0-8f6e-7c66-bfc8-8feec025b173"},
	} {
		got := RequestID(batch, test.number, []byte(test.line))
		if got != test.want {
			t.Errorf("line %d %s: got %s, want %s", test.number, test.line, got, test.want)
		}
		id := uuid.MustParse(got)
		if id.Version() != 7 || id.Variant() != uuid.RFC4122 {
			t.Errorf("%s is no UUIDv7", got)
		}
		if seconds, _ := id.Time().UnixTime(); seconds-1727562353 > 1+int64(test.number/1_000_000) {
			t.Errorf("%s is dated %d", got, seconds)
		}
	}
	if ValidBatch(batch) != nil || ValidBatch(uuid.New()) == nil {
		t.Error("a batch is a UUIDv7 and nothing else")
	}
}
