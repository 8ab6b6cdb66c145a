package events

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"
	"unicode/utf8"

	"github.com/klauspost/compress/zstd"
	"github.com/nats-io/nats.go"
)

// record is a stored message as one line of a record file.
type record struct {
	Subject  string      `json:"subject"`
	Headers  nats.Header `json:"headers,omitempty"`
	Body     *string     `json:"body,omitempty"`        // the bytes as text, when they are UTF-8
	Bytes    []byte      `json:"body_base64,omitempty"` // else
	Stream   string      `json:"stream"`
	Sequence uint64      `json:"sequence"`
	Time     time.Time   `json:"time"` // when the stream stored it, to the nanosecond
}

// maxRecordBytes bounds a line: a message of the largest size that the stream takes (1 MiB with its headers), each byte
// written as the six characters of \u0000, and room for the rest.
const maxRecordBytes = 6<<20 + 64<<10

// recordChunk is how much a recorder gathers before it writes: lines, of which the last may go beyond.
const recordChunk = 256 << 10

// Recorder writes stored messages as a record: one JSON object a line, in the order they are given, optionally
// compressed. Each of its writes is of whole lines, and when it compresses of a whole zstd frame: a record whose writer
// was killed can be read to its last line. It is for one goroutine at a time.
type Recorder struct {
	out      io.Writer
	compress *zstd.Encoder // nil: plain
	lines    bytes.Buffer  // not written yet
	encoder  *json.Encoder // into lines
	frame    []byte
	written  bool
}

// NewRecorder returns a recorder that writes to w, as NDJSON or as NDJSON within zstd. What it was given is in w after
// [Recorder.Close] only, which leaves w itself open.
func NewRecorder(w io.Writer, compressed bool) (*Recorder, error) {
	r := &Recorder{out: w}
	if compressed {
		encoder, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithZeroFrames(true))
		if err != nil {
			return nil, fmt.Errorf("compress records: %w", err)
		}
		r.compress = encoder
	}
	r.encoder = json.NewEncoder(&r.lines)
	r.encoder.SetEscapeHTML(false)
	return r, nil
}

// Write adds one message.
func (r *Recorder) Write(m Message) error {
	line := record{Subject: m.Subject, Headers: m.Header, Stream: m.Stream, Sequence: m.Seq, Time: m.StoredAt.UTC()}
	if utf8.Valid(m.Data) {
		text := string(m.Data)
		line.Body = &text
	} else {
		line.Bytes = m.Data
	}
	if err := r.encoder.Encode(line); err != nil {
		return fmt.Errorf("write record of message %d: %w", m.Seq, err)
	}
	if r.lines.Len() < recordChunk {
		return nil
	}
	return r.Flush()
}

// Flush hands everything that was written so far to w: a reader of the file finds whole lines up to here.
func (r *Recorder) Flush() error {
	if r.lines.Len() == 0 {
		return nil
	}
	return r.write()
}

// Close ends the record.
func (r *Recorder) Close() error {
	if r.lines.Len() == 0 && (r.written || r.compress == nil) {
		return nil
	}
	return r.write() // of nothing at all: a frame without content, which is zstd where an empty file is not
}

func (r *Recorder) write() error {
	chunk := r.lines.Bytes()
	if r.compress != nil {
		r.frame = r.compress.EncodeAll(chunk, r.frame[:0])
		chunk = r.frame
	}
	r.lines.Reset()
	r.written = true
	if _, err := r.out.Write(chunk); err != nil {
		return fmt.Errorf("write records: %w", err)
	}
	return nil
}

// RecordError says which line of a record cannot be read, and why.
type RecordError struct {
	Line int // from 1
	Err  error
}

// Error names the line.
func (e *RecordError) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Err) }

// Unwrap returns why.
func (e *RecordError) Unwrap() error { return e.Err }

// errCut is the end of a record that was cut short.
var errCut = errors.New("the record ends in the middle: it was cut short, or its writer was killed")

// Records returns the messages of a record, in its order, as they were stored; whether it is compressed is seen by its
// first bytes. Each message has memory of its own. A [*RecordError] ends the reading: what came before it was good.
func Records(r io.Reader) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		line := 0
		err := scanRecords(r, func(text []byte) (more bool, err error) {
			m, err := parseRecord(text)
			if err != nil {
				return false, err
			}
			line++
			return yield(m, nil), nil
		})
		if err != nil {
			yield(Message{}, &RecordError{line + 1, err})
		}
	}
}

var zstdMagic = []byte{0x28, 0xb5, 0x2f, 0xfd}

// scanRecords calls each line, until it wants no more.
func scanRecords(r io.Reader, each func(line []byte) (more bool, err error)) error {
	in := bufio.NewReader(r)
	if magic, _ := in.Peek(len(zstdMagic)); bytes.Equal(magic, zstdMagic) {
		decoder, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1))
		if err != nil {
			return err
		}
		defer decoder.Close()
		in = bufio.NewReader(decoder)
	}
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 1<<16), maxRecordBytes)
	lines.Split(wholeLines)
	for lines.Scan() {
		if more, err := each(lines.Bytes()); err != nil || !more {
			return err
		}
	}
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return errors.New("a line is longer than any message that a stream takes: this is no record")
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errCut
	default:
		return err
	}
}

// wholeLines splits at newlines. The last line needs one, too: a record without it was cut short.
func wholeLines(data []byte, atEOF bool) (advance int, line []byte, err error) {
	if i := bytes.IndexByte(data, '\n'); i >= 0 {
		return i + 1, data[:i], nil
	}
	if atEOF && len(data) > 0 {
		return 0, nil, errCut
	}
	return 0, nil, nil
}

func parseRecord(text []byte) (Message, error) {
	var line record
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&line); err != nil {
		return Message{}, fmt.Errorf("is no record: %w", err)
	}
	m := Message{Subject: line.Subject, Header: line.Headers, Data: line.Bytes, Stream: line.Stream, Seq: line.Sequence, StoredAt: line.Time}
	if line.Body != nil {
		m.Data = []byte(*line.Body)
	}
	switch {
	case decoder.InputOffset() != int64(len(text)):
		return Message{}, errors.New("is no record: something follows the object")
	case m.Subject == "":
		return Message{}, errors.New(`"subject" is missing: a record names the subject the message was published to`)
	case m.Stream == "" || m.Seq == 0 || m.StoredAt.IsZero():
		return Message{}, errors.New(`"stream", "sequence" or "time" is missing: a record says where and when the message was stored`)
	case line.Body != nil && line.Bytes != nil:
		return Message{}, errors.New(`"body" and "body_base64" exclude each other`)
	}
	return m, nil
}
