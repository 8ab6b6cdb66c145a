package dedupe

import (
	"encoding/binary"
	"strconv"
	"time"

	"github.com/google/uuid"
)

// Occurrence is one request to do a job. Two messages with the same occurrence, scope and type are the same
// request, whatever their inputs say. It is comparable: equal occurrences derive equal run ids, unequal ones do
// not. The zero value is no occurrence.
type Occurrence struct {
	request string
	stream  string
	seq     uint64
	nanos   int64  // a place's store time, since the Unix epoch
	millis  uint64 // dates the derived run id
}

// ByRequest returns the occurrence of a request that its producer gave an id; an empty id gives the zero value.
//
// A request id that is a UUIDv7 dates the derived run id. Another id is dated by at, which may be zero and must be
// the request's own time (a CloudEvent's), the same in every retry: with a reading of the clock in its place, each
// retry would become a run of its own. A time before 1970 counts as zero.
func ByRequest(requestID string, at time.Time) Occurrence {
	if requestID == "" {
		return Occurrence{}
	}
	return Occurrence{request: requestID, millis: requestMillis(requestID, at)}
}

// ByPlace returns the occurrence of a message that carries no request id: where and when the stream stored it.
// The store time tells it from the message of the same number in a stream that was made anew.
func ByPlace(stream string, seq uint64, storedAt time.Time) Occurrence {
	return Occurrence{stream: stream, seq: seq, nanos: storedAt.UnixNano(), millis: millisOf(storedAt)}
}

// RunID derives the id of the run that this occurrence creates: the request's or store time in milliseconds
// (48 bits), version 8, then 74 bits of the occurrence's hash. So the ledger's primary key is the check that
// one occurrence creates at most one run (I5), and new rows arrive in the order of time.
func (o Occurrence) RunID(scope Scope, jobType string) uuid.UUID {
	sum := o.hash(scope, jobType)
	hi, lo := binary.BigEndian.Uint64(sum[0:8]), binary.BigEndian.Uint64(sum[8:16])
	randA := hi >> 52               // the first 12 bits of the hash
	randB := (hi<<12 | lo>>52) >> 2 // the next 62
	var id uuid.UUID
	binary.BigEndian.PutUint64(id[0:8], o.millis<<16|8<<12|randA)
	binary.BigEndian.PutUint64(id[8:16], 0b10<<62|randB)
	return id
}

func requestMillis(requestID string, at time.Time) uint64 {
	id, err := uuid.Parse(requestID)
	if err == nil && len(requestID) == 36 && id.Version() == 7 && id.Variant() == uuid.RFC4122 {
		return binary.BigEndian.Uint64(id[0:8]) >> 16
	}
	return millisOf(at)
}

// millisOf returns a time as the 48 bits of milliseconds since the Unix epoch that begin a UUID.
func millisOf(t time.Time) uint64 {
	const largest = 1<<48 - 1
	return uint64(min(max(t.UnixMilli(), 0), largest))
}

func (o Occurrence) hash(scope Scope, jobType string) [32]byte {
	var space [partsSpace]byte
	p := parts(space[:0]).text("oprun/1/occurrence").scope(scope, jobType)
	if o.request != "" {
		return p.text("request").text(o.request).sum()
	}
	var digits [20]byte
	p = p.text("place").text(o.stream).bytes(strconv.AppendUint(digits[:0], o.seq, 10))
	return p.bytes(strconv.AppendInt(digits[:0], o.nanos, 10)).sum()
}

// distinguisher is what tells this request's identity from the next one's in RequestMode.
func (o Occurrence) distinguisher(scope Scope, jobType string) []byte {
	if o.request != "" {
		return []byte(o.request)
	}
	sum := o.hash(scope, jobType)
	return sum[:]
}
