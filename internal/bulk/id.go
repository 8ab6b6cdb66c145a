package bulk

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/google/uuid"
)

// linesPerMilli spreads the ids of a batch over time, so that runs derived from them are stored in about the order of their lines:
// no faster than anybody publishes, so none is dated ahead.
const linesPerMilli = 1000

// RequestID derives the request id of a line: a UUIDv7 that is dated by the batch. What the line says is part of it, so that a
// line that was mended between two runs of one batch is a new request and not taken for the old one.
func RequestID(batch uuid.UUID, number int, line []byte) string {
	hash := sha256.New()
	var numbered [24]byte
	copy(numbered[:16], batch[:])
	binary.BigEndian.PutUint64(numbered[16:], uint64(number))
	_, _ = hash.Write(numbered[:]) // a hash takes everything
	_, _ = hash.Write(line)
	var sum [sha256.Size]byte
	hash.Sum(sum[:0])

	millis := binary.BigEndian.Uint64(batch[:8])>>16 + uint64(number/linesPerMilli)
	var id uuid.UUID
	copy(id[:], sum[:])
	binary.BigEndian.PutUint64(id[:8], millis<<16|7<<12|uint64(sum[6]&0x0f)<<8|uint64(sum[7]))
	id[8] = 0x80 | id[8]&0x3f
	return id.String()
}

// ValidBatch reports why an id cannot be that of a batch: it must be a UUID version 7, whose time dates the runs.
func ValidBatch(id uuid.UUID) error {
	if id.Version() != 7 || id.Variant() != uuid.RFC4122 {
		return errors.New("a batch is named by a UUID version 7: leave it out, and one is made")
	}
	return nil
}

func newBatch() (uuid.UUID, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return id, fmt.Errorf("make a batch id: %w", err)
	}
	return id, nil
}
