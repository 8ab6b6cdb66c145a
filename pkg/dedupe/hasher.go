package dedupe

import (
	"crypto/sha256"
	"encoding/binary"
)

// hasher is SHA-256 over parts, each led by its length as a big-endian uint32, so that no two lists of parts
// give the same bytes.
type hasher struct {
	buf []byte
}

func newHasher(domain string) *hasher {
	h := &hasher{buf: make([]byte, 0, 256)}
	h.text(domain)
	return h
}

func (h *hasher) text(s string) {
	h.buf = binary.BigEndian.AppendUint32(h.buf, uint32(len(s)))
	h.buf = append(h.buf, s...)
}

func (h *hasher) bytes(b []byte) {
	h.buf = binary.BigEndian.AppendUint32(h.buf, uint32(len(b)))
	h.buf = append(h.buf, b...)
}

// scope adds the three parts that both hashes share.
func (h *hasher) scope(s Scope, jobType string) {
	h.text(s.Kind.String())
	h.text(s.ID.String())
	h.text(jobType)
}

func (h *hasher) sum() [32]byte { return sha256.Sum256(h.buf) }
