package events

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// store publishes n messages, of two types in turn.
func store(t *testing.T, js jetstream.JetStream, n int) {
	t.Helper()
	for i := range n {
		subject := fetchSubject
		if i%2 == 1 {
			subject += ".again"
		}
		if _, err := js.PublishAsync(subject, []byte(strconv.Itoa(i+1))); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case <-js.PublishAsyncComplete():
	case <-deadline(t).Done():
		t.Fatal("the messages were not stored")
	}
}

// readAll returns the sequence numbers of a range.
func readAll(t *testing.T, js jetstream.JetStream, wanted Range) (seqs []uint64) {
	t.Helper()
	for m, err := range Read(deadline(t), js, DefaultTopology().Stream, wanted) {
		if err != nil {
			t.Fatal(err)
		}
		if string(m.Data) != strconv.FormatUint(m.Seq, 10) {
			t.Fatalf("message %d has the data %q", m.Seq, m.Data)
		}
		seqs = append(seqs, m.Seq)
	}
	return seqs
}

func upTo(first, last uint64) (seqs []uint64) {
	for seq := first; seq <= last; seq++ {
		seqs = append(seqs, seq)
	}
	return seqs
}

func TestRead(t *testing.T) {
	t.Parallel()
	const n = 2*readBatch + 10
	js := newStream(t)
	ctx, stream := deadline(t), DefaultTopology().Stream
	if seqs := readAll(t, js, Range{}); seqs != nil {
		t.Fatalf("an empty stream has the messages %v", seqs)
	}
	if seqs := readAll(t, js, Range{Since: time.Now().Add(-time.Hour)}); seqs != nil {
		t.Fatalf("an empty stream has had the messages %v for an hour", seqs)
	}
	store(t, js, n)
	middle, err := ReadBack(ctx, js, stream, 600)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		wanted Range
		want   []uint64
	}{
		"gives all messages in order":               {Range{}, upTo(1, n)},
		"goes from a number to a number":            {Range{FromSeq: 7, ToSeq: 520}, upTo(7, 520)},
		"ends with the stream":                      {Range{FromSeq: n, ToSeq: n + 1000}, []uint64{n}},
		"finds nothing beyond the stream":           {Range{FromSeq: n + 1}, nil},
		"goes from a time on":                       {Range{Since: middle.StoredAt}, upTo(600, n)},
		"goes up to a time":                         {Range{Until: middle.StoredAt}, upTo(1, 599)},
		"finds nothing in the future":               {Range{Since: time.Now().Add(time.Hour)}, nil},
		"goes from the later of a time or a number": {Range{Since: middle.StoredAt, FromSeq: 610}, upTo(610, n)},
		"goes from the time, if that is later":      {Range{Since: middle.StoredAt, FromSeq: 3, ToSeq: 700}, upTo(600, 700)},
		"skips a batch that is before the number":   {Range{Since: time.Now().Add(-time.Hour), FromSeq: 900}, upTo(900, n)},
		"takes those of one subject":                {Range{Subject: "jobs.*.*.*.*.again", ToSeq: 6}, []uint64{2, 4, 6}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, readAll(t, js, test.wanted)); diff != "" {
				t.Errorf("sequence numbers (-want +got):\n%s", diff)
			}
		})
	}

	t.Run("stops when the reader has had enough", func(t *testing.T) {
		t.Parallel()
		var seen int
		for range Read(ctx, js, stream, Range{}) {
			if seen++; seen == 3 {
				break
			}
		}
		if seen != 3 {
			t.Errorf("%d messages, want 3", seen)
		}
	})

	t.Run("makes no consumer", func(t *testing.T) {
		t.Parallel()
		readAll(t, js, Range{})
		info, err := js.Stream(ctx, stream)
		if err != nil {
			t.Fatal(err)
		}
		if n := info.CachedInfo().State.Consumers; n != 1 {
			t.Errorf("the stream has %d consumers, want the durable alone", n)
		}
	})
}

func TestReadPassesOverWhatIsGone(t *testing.T) {
	t.Parallel()
	js := newStream(t)
	ctx, name := deadline(t), DefaultTopology().Stream
	store(t, js, 20)
	stream, err := js.Stream(ctx, name)
	if err != nil {
		t.Fatal(err)
	}
	for _, seq := range []uint64{5, 6, 19, 20} {
		if err := stream.DeleteMsg(ctx, seq); err != nil {
			t.Fatal(err)
		}
	}
	if err := stream.Purge(ctx, jetstream.WithPurgeSequence(3)); err != nil {
		t.Fatal(err)
	}
	want := slices.Concat(upTo(3, 4), upTo(7, 18))
	if diff := cmp.Diff(want, readAll(t, js, Range{})); diff != "" {
		t.Errorf("sequence numbers (-want +got):\n%s", diff)
	}
}

func TestReadGivesMessagesAsTheyWerePublished(t *testing.T) {
	t.Parallel()
	js := newStream(t)
	ctx, stream := deadline(t), DefaultTopology().Stream
	for _, header := range []nats.Header{
		nil,
		{HeaderInitiator: {"ada"}, HeaderRequestID: {"a", "b"}},
		{"Status": {"503"}}, // what the library takes for the broker's own word
		{"Status": {"204"}},
		{jetstream.SequenceHeader: {"77"}, jetstream.SubjectHeader: {"jobs.forged"}, jetstream.TimeStampHeaer: {"never"}},
	} {
		ack, err := js.PublishMsg(ctx, &nats.Msg{Subject: fetchSubject, Header: header})
		if err != nil {
			t.Fatal(err)
		}
		leaders, err := ReadBack(ctx, js, stream, ack.Sequence)
		if err != nil {
			t.Fatal(err)
		}
		var read []Message
		for m, err := range Read(ctx, js, stream, Range{FromSeq: ack.Sequence}) {
			if err != nil {
				t.Fatal(err)
			}
			read = append(read, m)
		}
		if diff := cmp.Diff([]Message{leaders}, read, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("message with header %v (-as the leader has it +read):\n%s", header, diff)
		}
		if diff := cmp.Diff(header, leaders.Header); diff != "" {
			t.Errorf("header (-published +read):\n%s", diff)
		}
	}
}

func TestReadFails(t *testing.T) {
	t.Parallel()
	js := newStream(t)
	store(t, js, 3)
	failure := func(ctx context.Context, stream string) (failure error) {
		for _, err := range Read(ctx, js, stream, Range{}) {
			failure = err
		}
		return failure
	}
	if err := failure(deadline(t), "GONE"); !errors.Is(err, jetstream.ErrStreamNotFound) {
		t.Errorf("a stream that is not there: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := failure(ended, "JOBS"); !errors.Is(err, context.Canceled) {
		t.Errorf("a context that has ended: %v", err)
	}
	if _, err := js.CreateStream(deadline(t), jetstream.StreamConfig{Name: "CLOSED", Subjects: []string{"closed"}}); err != nil {
		t.Fatal(err)
	}
	if err := failure(deadline(t), "CLOSED"); !errors.Is(err, ErrNoDirectGet) {
		t.Errorf("a stream without direct get: %v", err)
	}
}

// A reading takes no more than a few batches' memory at once, whatever the messages' size.
func TestReadAsksForBoundedBatches(t *testing.T) {
	t.Parallel()
	js := newStream(t)
	const size = 200 << 10
	for range 12 {
		if _, err := js.Publish(deadline(t), fetchSubject, make([]byte, size)); err != nil {
			t.Fatal(err)
		}
	}
	r := &reader{js: js, stream: "JOBS", subject: ">", next: 1, last: 12}
	batch, end, err := r.batch(deadline(t))
	if err != nil || end || len(batch) != readMaxBytes/size+1 {
		t.Fatalf("a batch of %d messages of 200 KiB, end %t, %v; want %d", len(batch), end, err, readMaxBytes/size+1)
	}
	var read int
	for _, err := range Read(deadline(t), js, "JOBS", Range{}) {
		if err != nil {
			t.Fatal(fmt.Errorf("message %d: %w", read, err))
		}
		read++
	}
	if read != 12 {
		t.Errorf("%d messages were read, want 12", read)
	}
}
