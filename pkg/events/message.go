package events

import (
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Message is one stored message, however it was read: delivered by a consumer ([FromMsg]), read back from the
// stream ([FromRaw]) or taken from a record. Only Subject matters to a message that no stream has stored.
type Message struct {
	Subject  string
	Header   nats.Header
	Data     []byte
	Stream   string    // the name of the stream
	Seq      uint64    // its sequence number there
	StoredAt time.Time // when the stream stored it, to the nanosecond
}

// Place returns where and when the message was stored.
func (m Message) Place() Place { return Place{m.Stream, m.Seq, m.StoredAt} }

// FromMsg returns a delivered message. It shares the message's header and data. It fails for a message that no
// consumer delivered. Of a header block that could not be read it knows nothing: see [HeaderOf].
func FromMsg(msg jetstream.Msg) (Message, error) {
	meta, err := msg.Metadata()
	if err != nil {
		return Message{}, fmt.Errorf("read delivery metadata: %w", err)
	}
	return Message{msg.Subject(), msg.Headers(), msg.Data(), meta.Stream, meta.Sequence.Stream, meta.Timestamp}, nil
}

// unreadable is the name, which no header can have, of the only header of a message whose header block is none.
const unreadable = ""

// HeaderOf returns the header of a message as it came from the broker. The broker stores whatever block a client sends
// for a header; the client library drops one that it cannot read, and the message looks as if it had none. Here it has
// a header that a [Codec] refuses, since nobody knows what it said.
func HeaderOf(msg *nats.Msg) nats.Header {
	if msg.Header == nil && msg.Size() > len(msg.Subject)+len(msg.Reply)+len(msg.Data) {
		return unreadableHeader()
	}
	return msg.Header
}

func unreadableHeader() nats.Header { return nats.Header{unreadable: {""}} }

func isUnreadable(header nats.Header) bool {
	_, found := header[unreadable]
	return found
}

// directHeaders are what the server adds to a message when it is read by direct get. Without them it has the
// headers that it was published with.
var directHeaders = [...]string{
	jetstream.StreamHeader, jetstream.SubjectHeader, jetstream.SequenceHeader, jetstream.TimeStampHeaer,
	jetstream.LastSequenceHeader, "Nats-Num-Pending", "Nats-UpTo-Sequence",
}

// FromRaw returns a message that was read back from the named stream, as it would be delivered. It shares the
// message's data.
func FromRaw(stream string, raw *jetstream.RawStreamMsg) Message {
	header := maps.Clone(raw.Header)
	for _, name := range directHeaders {
		delete(header, name)
	}
	if len(header) == 0 {
		header = nil
	}
	return Message{raw.Subject, header, raw.Data, stream, raw.Sequence, raw.Time}
}

// Place is where and when a stream stored a message. The store time tells it from the message of the same number in
// a stream that was made anew.
type Place struct {
	Stream   string
	Seq      uint64
	StoredAt time.Time
}

var errPlace = errors.New("a place is <stream>/<sequence>/<store time in ns since 1970>")

// String returns the place as the Oprun-Occurrence header spells it: "<stream>/<sequence>/<store time in ns>".
func (p Place) String() string {
	return p.Stream + "/" + strconv.FormatUint(p.Seq, 10) + "/" + strconv.FormatInt(p.StoredAt.UnixNano(), 10)
}

// ParsePlace reads what [Place.String] writes.
func ParsePlace(text string) (Place, error) {
	stream, rest, _ := strings.Cut(text, "/")
	seqText, nanosText, _ := strings.Cut(rest, "/")
	seq, seqErr := strconv.ParseUint(seqText, 10, 64)
	nanos, nanosErr := strconv.ParseInt(nanosText, 10, 64)
	if !validName(stream) || seqErr != nil || nanosErr != nil || seq == 0 || nanos <= 0 {
		return Place{}, errPlace
	}
	p := Place{stream, seq, time.Unix(0, nanos)}
	if p.String() != text { // a sign or leading zeros: one place has one spelling
		return Place{}, errPlace
	}
	return p, nil
}

// validName reports whether the server takes s as the name of a stream or a consumer.
func validName(s string) bool {
	return s != "" && len(s) <= 255 && visible(s) && !strings.ContainsAny(s, ".*>/\\")
}

// visible reports whether s is made of visible ASCII characters alone.
func visible(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
