package events

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Range is a part of a stream. The zero value is all that the stream holds when the reading begins.
type Range struct {
	FromSeq, ToSeq uint64    // the first and the last sequence number, both included; 0: the stream's own
	Since, Until   time.Time // stored at or after Since, and before Until; zero: no bound
	Subject        string    // with wildcards, as in "jobs.*.*.assignments.fetch"; "": all
}

// ErrNoDirectGet says that the stream's messages cannot be read without a consumer.
var ErrNoDirectGet = errors.New("the stream does not allow direct get")

// What one request of a reading may bring: the memory that a reading takes is twice that and one message.
const (
	readBatch    = 512
	readMaxBytes = 1 << 20
)

// Read returns the messages of a range in the order of the stream, as they were stored. It asks for one batch after the
// other, makes no consumer and disturbs none. It ends at what was the stream's last message when it began: what is
// stored meanwhile is left to the next reading. Messages that are deleted meanwhile are passed over.
//
// An error ends the reading: jetstream.ErrStreamNotFound, [ErrNoDirectGet], the context's, or that of a broker that did
// not answer for a minute. Replicas may answer; that there are no more, only the stream's leader says.
func Read(ctx context.Context, js jetstream.JetStream, stream string, wanted Range) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		r := &reader{js: js, stream: stream, wanted: wanted, byTime: !wanted.Since.IsZero(), next: max(wanted.FromSeq, 1), subject: wanted.Subject}
		if r.subject == "" {
			r.subject = ">"
		}
		err := r.open(ctx)
		if err == nil {
			err = r.read(ctx, func(m Message) bool { return yield(m, nil) })
		}
		if err != nil {
			yield(Message{}, fmt.Errorf("read stream %s: %w", stream, err))
		}
	}
}

// reader is one reading.
type reader struct {
	js      jetstream.JetStream
	stream  string
	wanted  Range
	subject string
	byTime  bool   // nothing has been found yet: the range begins at a time
	next    uint64 // where to go on
	last    uint64 // where to end
}

// open learns where the reading ends.
func (r *reader) open(ctx context.Context) error {
	var info *jetstream.StreamInfo
	err := try(ctx, func(ctx context.Context) error {
		stream, err := r.js.Stream(ctx, r.stream)
		if err == nil {
			info = stream.CachedInfo()
		}
		return err
	})
	if err != nil {
		return err
	}
	if !info.Config.AllowDirect {
		return ErrNoDirectGet
	}
	if r.last = info.State.LastSeq; r.wanted.ToSeq != 0 {
		r.last = min(r.last, r.wanted.ToSeq)
	}
	return nil
}

// read yields batch after batch. A yield that wants no more ends it without an error.
func (r *reader) read(ctx context.Context, yield func(Message) bool) error {
	for r.next <= r.last {
		batch, end, err := r.batch(ctx)
		if err != nil {
			return err
		}
		for _, m := range batch {
			if m.Seq > r.last || !r.wanted.Until.IsZero() && !m.StoredAt.Before(r.wanted.Until) {
				return nil
			}
			r.byTime, r.next = false, max(m.Seq+1, r.wanted.FromSeq)
			if m.Seq >= r.wanted.FromSeq && !yield(m) {
				return nil
			}
		}
		if end {
			return nil
		}
	}
	return nil
}

// batch returns the next messages, and whether the stream has no others.
func (r *reader) batch(ctx context.Context) (batch []Message, end bool, err error) {
	err = try(ctx, func(ctx context.Context) error {
		batch, end, err = r.fetch(ctx)
		return err
	})
	if err != nil || !end || len(batch) > 0 {
		return batch, false, err
	}
	// A replica that lags does not have what the leader has.
	err = try(ctx, func(ctx context.Context) error {
		m, err := leaderGet(ctx, r.js, r.stream, r.request(0))
		batch = []Message{m}
		return err
	})
	if errors.Is(err, ErrNoMessage) {
		return nil, true, nil
	}
	return batch, false, err
}

// getRequest asks for the first message, or messages, of a subject from a place on.
type getRequest struct {
	Seq       uint64     `json:"seq,omitempty"`
	StartTime *time.Time `json:"start_time,omitempty"`
	Subject   string     `json:"next_by_subj,omitempty"`
	Batch     int        `json:"batch,omitempty"`
	MaxBytes  int        `json:"max_bytes,omitempty"`
}

func (r *reader) request(batch int) getRequest {
	request := getRequest{Seq: r.next, Subject: r.subject, Batch: batch}
	if batch > 0 {
		request.MaxBytes = readMaxBytes
	}
	if r.byTime {
		request.Seq, request.StartTime = 0, &r.wanted.Since
	}
	return request
}

// fetch sends one request for a batch. Messages that came before the broker fell silent are no error: the next request
// goes on behind them.
func (r *reader) fetch(ctx context.Context) (batch []Message, end bool, err error) {
	body, err := json.Marshal(r.request(readBatch))
	if err != nil {
		return nil, false, err
	}
	conn := r.js.Conn()
	inbox := conn.NewInbox()
	// A channel: the library's own waiting takes a stored message with the header "Status: 503" for the broker's word.
	answers := make(chan *nats.Msg, readBatch+1)
	sub, err := conn.ChanSubscribe(inbox, answers)
	if err != nil {
		return nil, false, err
	}
	defer func() { _ = sub.Unsubscribe() }()
	if err := conn.PublishRequest(APISubject(r.js, "DIRECT.GET."+r.stream), inbox, body); err != nil {
		return nil, false, err
	}
	for {
		select {
		case <-ctx.Done():
			if len(batch) > 0 {
				return batch, false, nil
			}
			return nil, false, ctx.Err()
		case answer := <-answers:
			if hides(answer) {
				return r.unreadable(ctx, batch)
			}
			m, stored, err := direct(r.stream, answer)
			if err != nil {
				return nil, false, err
			}
			if !stored {
				return r.over(ctx, batch, answer.Header.Get("Status"))
			}
			batch = append(batch, m)
		}
	}
}

// addedLeast is the least that the server adds to a message. It adds it at the end: of a block that ends early, all of it is
// in the rest.
const addedLeast = len("Nats-Stream: S\r\nNats-Subject: s\r\nNats-Sequence: 1\r\nNats-Time-Stamp: 2006-01-02T15:04:05Z\r\n" +
	"Nats-Num-Pending: 0\r\nNats-Last-Sequence: 0\r\n")

// hides reports whether an answer may have so much more header than was read that the server's own is in it, and what looks
// like that somebody else's. What was read counts as the least that it can have been on the wire, where a line needs no
// space and no carriage return: whoever saves on many lines cannot hide as much behind them. An honest message of very many
// headers is taken for such a one, too, which costs a request and nothing else.
func hides(answer *nats.Msg) bool {
	unread := answer.Size() - len(answer.Subject) - len(answer.Reply) - len(answer.Data)
	for name, values := range answer.Header {
		for _, value := range values {
			unread -= len(":\n") + len(value)
			if name != "Status" && name != "Description" { // those may stand in the first line, without their names
				unread -= len(name)
			}
		}
	}
	return unread >= addedLeast
}

// unreadable goes around a message whose header block is none, or ends before its end: it hides what the server adds,
// the message's place. What came before it is handed on first; then the leader is asked for it, whose answer is of
// another form.
func (r *reader) unreadable(ctx context.Context, before []Message) (batch []Message, end bool, err error) {
	if len(before) > 0 {
		return before, false, nil
	}
	m, err := leaderGet(ctx, r.js, r.stream, r.request(0))
	if errors.Is(err, ErrNoMessage) {
		return nil, true, nil // deleted meanwhile
	}
	return []Message{m}, false, err
}

// over reads the broker's word that ends a batch.
func (r *reader) over(ctx context.Context, batch []Message, status string) ([]Message, bool, error) {
	switch status {
	case "204": // all that the batch may bring, or all that there is
		return batch, len(batch) == 0, nil
	case "404":
		return batch, true, nil
	case "503": // nobody serves the stream now
		return nil, false, nats.ErrTimeout
	default: // it is no word of the broker's
		return r.unreadable(ctx, batch)
	}
}

// direct reads an answer to a direct get. The server adds its own headers behind those that the message was published
// with, which may be of the same names.
func direct(stream string, answer *nats.Msg) (m Message, stored bool, err error) {
	if len(answer.Header[jetstream.SequenceHeader]) == 0 {
		return Message{}, false, nil
	}
	own := make(map[string]string, len(directHeaders))
	for _, name := range directHeaders {
		if values := answer.Header[name]; len(values) > 1 {
			own[name], answer.Header[name] = values[len(values)-1], values[:len(values)-1]
		} else if len(values) == 1 {
			own[name] = values[0]
			delete(answer.Header, name)
		}
	}
	m = Message{Subject: own[jetstream.SubjectHeader], Data: answer.Data, Stream: stream}
	if len(answer.Header) > 0 {
		m.Header = answer.Header
	}
	var errSeq, errTime error
	m.Seq, errSeq = strconv.ParseUint(own[jetstream.SequenceHeader], 10, 64)
	m.StoredAt, errTime = time.Parse(time.RFC3339Nano, own[jetstream.TimeStampHeaer])
	return m, true, errors.Join(errSeq, errTime)
}
