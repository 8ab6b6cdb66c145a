package events_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"

	"oprun.example/pkg/events"
)

func recorded() []events.Message {
	at := time.Date(2026, 11, 26, 3, 4, 5, 123456789, time.UTC)
	return []events.Message{
		{
			Subject: "jobs.tenant.6f9d1a52-0b1e-4f7c-9a51-111111111111.a.b", Stream: "JOBS", Seq: 1, StoredAt: at,
			Header: nats.Header{"Nats-Msg-Id": {"x"}, "odd": {"1", "2", "<&>"}}, Data: []byte(`{ "spaces":  "kept" }` + "\n"),
		},
		{Subject: "jobs.x", Stream: "JOBS", Seq: 2, StoredAt: at.Add(1), Data: []byte{0xff, 0xfe, '\n', 0}},
		{Subject: "jobs.x", Stream: "JOBS", Seq: 3, StoredAt: at.Add(2), Data: []byte{}},
		{Subject: "jobs.x", Stream: "JOBS", Seq: 4, StoredAt: at.Add(3), Data: bytes.Repeat([]byte{0}, 1<<20)},
	}
}

func write(t *testing.T, compressed bool, messages ...events.Message) []byte {
	t.Helper()
	var out bytes.Buffer
	recorder, err := events.NewRecorder(&out, compressed)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range messages {
		if err := recorder.Write(m); err != nil {
			t.Fatal(err)
		}
	}
	if err := recorder.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func read(r io.Reader) (messages []events.Message, err error) {
	for m, err := range events.Records(r) {
		if err != nil {
			return messages, err
		}
		messages = append(messages, m)
	}
	return messages, nil
}

func TestRecordsAreReadAsTheyWereWritten(t *testing.T) {
	t.Parallel()
	for name, compressed := range map[string]bool{"plain": false, "compressed": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := read(bytes.NewReader(write(t, compressed, recorded()...)))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(recorded(), got); diff != "" {
				t.Errorf("the record changed a message (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRecordsThatWereCutShortNameTheLine(t *testing.T) {
	t.Parallel()
	for name, compressed := range map[string]bool{"plain": false, "compressed": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			whole := write(t, compressed, recorded()[:3]...)
			got, err := read(bytes.NewReader(whole[:len(whole)-5]))
			bad, ok := errors.AsType[*events.RecordError](err)
			if !ok || !strings.Contains(err.Error(), "cut short") {
				t.Fatalf("read a record that was cut short: %v, want that it was", err)
			}
			if bad.Line != len(got)+1 {
				t.Errorf("it names line %d, want the one after the %d good ones", bad.Line, len(got))
			}
		})
	}
}

// chunks keeps each write apart.
type chunks [][]byte

func (c *chunks) Write(p []byte) (int, error) {
	*c = append(*c, bytes.Clone(p))
	return len(p), nil
}

// A recorder that is killed between two writes leaves a record that ends with a whole line.
func TestARecordCanBeReadAfterEachWrite(t *testing.T) {
	t.Parallel()
	for name, compressed := range map[string]bool{"plain": false, "compressed": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out chunks
			recorder, err := events.NewRecorder(&out, compressed)
			if err != nil {
				t.Fatal(err)
			}
			const messages = 5000
			m := recorded()[0]
			for m.Seq = 1; m.Seq <= messages; m.Seq++ {
				if err := recorder.Write(m); err != nil {
					t.Fatal(err)
				}
				if m.Seq == 7 {
					if err := recorder.Flush(); err != nil {
						t.Fatal(err)
					}
				}
			}
			if err := recorder.Close(); err != nil {
				t.Fatal(err)
			}
			before := 0
			for n := range out {
				got, err := read(bytes.NewReader(bytes.Join(out[:n+1], nil)))
				if err != nil || len(got) <= before {
					t.Fatalf("after write %d there are %d messages, after the one before %d: %v", n+1, len(got), before, err)
				}
				before = len(got)
			}
			if before != messages || len(out) < 3 {
				t.Errorf("%d messages in %d writes, want %d in several", before, len(out), messages)
			}
		})
	}
}

func TestARecordOfNothingIsARecord(t *testing.T) {
	t.Parallel()
	for _, compressed := range []bool{false, true} {
		file := write(t, compressed)
		if got, err := read(bytes.NewReader(file)); err != nil || len(got) != 0 || compressed != (len(file) > 0) {
			t.Errorf("compressed %t: %d messages of %d bytes, %v", compressed, len(got), len(file), err)
		}
	}
}

func TestLinesThatAreNoRecordsAreRefused(t *testing.T) {
	t.Parallel()
	good := strings.TrimSpace(string(write(t, false, recorded()[2])))
	for name, c := range map[string]struct{ line, want string }{
		"not JSON":        {"jobs", "line 2: is no record: invalid character"},
		"an empty line":   {"", "line 2: is no record"},
		"two objects":     {good + good, "something follows"},
		"an unknown key":  {strings.Replace(good, `"sequence"`, `"seq"`, 1), `unknown field "seq"`},
		"no subject":      {strings.Replace(good, `"jobs.x"`, `""`, 1), `"subject" is missing`},
		"no place":        {strings.Replace(good, `"stream":"JOBS",`, ``, 1), `"stream", "sequence" or "time" is missing`},
		"two bodies":      {strings.Replace(good, `"body":""`, `"body":"","body_base64":"AA=="`, 1), "exclude each other"},
		"an endless line": {strings.Repeat("x", 7<<20), "longer than any message"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := read(strings.NewReader(good + "\n" + c.line + "\n" + good + "\n"))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("read: %v, want %q", err, c.want)
			}
			if len(got) != 1 {
				t.Errorf("%d messages came before the bad line, want the one good", len(got))
			}
		})
	}
}
