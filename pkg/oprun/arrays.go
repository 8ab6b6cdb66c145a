package oprun

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
)

// fastArrays teaches a connection of ours to encode the slices that batches are made of in one go. What pgx does
// instead, a memory allocation and a look-up for each element, took more of a worker's CPU than all the rest of it.
// Other Go types are encoded as ever.
func fastArrays(types *pgtype.Map) {
	for oid, plan := range map[uint32]arrayPlan{
		pgtype.UUIDArrayOID:        elements[rawID]{pgtype.UUIDOID, fixed[rawID](16), putID},
		pgtype.TextArrayOID:        elements[string]{pgtype.TextOID, func(s string) int { return len(s) }, putText},
		pgtype.ByteaArrayOID:       elements[[]byte]{pgtype.ByteaOID, func(b []byte) int { return len(b) }, putBytes},
		pgtype.BoolArrayOID:        elements[bool]{pgtype.BoolOID, fixed[bool](1), putBool},
		pgtype.Int4ArrayOID:        elements[int32]{pgtype.Int4OID, fixed[int32](4), putInt32},
		pgtype.Int8ArrayOID:        elements[int64]{pgtype.Int8OID, fixed[int64](8), putInt64},
		pgtype.TimestamptzArrayOID: elements[time.Time]{pgtype.TimestamptzOID, fixed[time.Time](8), putTime},
	} {
		known, _ := types.TypeForOID(oid)
		types.RegisterType(&pgtype.Type{Name: known.Name, OID: oid, Codec: arrayCodec{known.Codec, plan}})
	}
}

// arrayCodec is pgx's codec of an array, but for one Go type.
type arrayCodec struct {
	pgtype.Codec
	fast arrayPlan
}

// PlanEncode returns our own plan for the Go type that it fits, and pgx's for all others.
func (c arrayCodec) PlanEncode(m *pgtype.Map, oid uint32, format int16, value any) pgtype.EncodePlan {
	if format == pgtype.BinaryFormatCode && c.fast.fits(value) {
		return c.fast
	}
	return c.Codec.PlanEncode(m, oid, format, value)
}

// arrayPlan encodes values of one Go type.
type arrayPlan interface {
	pgtype.EncodePlan
	fits(value any) bool
}

// elements encodes a slice of T as a one-dimensional array.
type elements[T any] struct {
	oid  uint32 // of an element
	size func(element T) int
	put  func(buf []byte, element T) []byte
}

func (e elements[T]) fits(value any) bool {
	_, ok := value.([]T)
	return ok
}

// rowBytes is more than the parameters of one row of a batch take, so that the buffer of a statement grows once.
const rowBytes = 256

// Encode appends the array in the form that Postgres' array_recv reads: dimensions, "may hold nulls", the type of
// the elements, their number, the first one's index, and each with its length.
func (e elements[T]) Encode(value any, buf []byte) ([]byte, error) {
	list, _ := value.([]T) // fits has seen to that
	need := 20 + 4*len(list)
	for _, element := range list {
		need += e.size(element)
	}
	if need > cap(buf)-len(buf) {
		buf = slices.Grow(buf, need+rowBytes*len(list))
	}
	for _, word := range []uint32{1, 0, e.oid, uint32(len(list)), 1} {
		buf = binary.BigEndian.AppendUint32(buf, word)
	}
	for _, element := range list {
		buf = binary.BigEndian.AppendUint32(buf, uint32(e.size(element)))
		buf = e.put(buf, element)
	}
	return buf, nil
}

func fixed[T any](bytes int) func(T) int { return func(T) int { return bytes } }

func putID(buf []byte, id rawID) []byte { return append(buf, id[:]...) }

func putText(buf []byte, text string) []byte { return append(buf, text...) }

func putBytes(buf []byte, b []byte) []byte { return append(buf, b...) }

func putInt32(buf []byte, n int32) []byte { return binary.BigEndian.AppendUint32(buf, uint32(n)) }

func putInt64(buf []byte, n int64) []byte { return binary.BigEndian.AppendUint64(buf, uint64(n)) }

func putTime(buf []byte, t time.Time) []byte { return putInt64(buf, t.UnixMicro()-postgresEpoch) }

func putBool(buf []byte, yes bool) []byte {
	if yes {
		return append(buf, 1)
	}
	return append(buf, 0)
}

// postgresEpoch is 2000-01-01, from which Postgres counts, in microseconds since 1970.
var postgresEpoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()
