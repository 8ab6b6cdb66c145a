package dedupe

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"

	"github.com/google/uuid"
)

// parts is what a hash is taken of: each part is led by its length as a big-endian uint32, so that no two lists of
// parts give the same bytes. It is passed by value, so that it can live on its maker's stack: every delivery is hashed
// twice.
type parts []byte

// partsSpace is what most jobs need.
const partsSpace = 512

func (p parts) text(s string) parts {
	return append(binary.BigEndian.AppendUint32(p, uint32(len(s))), s...)
}

func (p parts) bytes(b []byte) parts {
	return append(binary.BigEndian.AppendUint32(p, uint32(len(b))), b...)
}

// scope adds the three parts that both hashes share.
func (p parts) scope(s Scope, jobType string) parts {
	return p.text(s.Kind.String()).id(s.ID).text(jobType)
}

// id adds a UUID as it is spelled.
func (p parts) id(id uuid.UUID) parts {
	p = binary.BigEndian.AppendUint32(p, 36)
	p = hex.AppendEncode(p, id[:4])
	for _, group := range [...][]byte{id[4:6], id[6:8], id[8:10], id[10:]} {
		p = hex.AppendEncode(append(p, '-'), group)
	}
	return p
}

func (p parts) sum() [32]byte { return sha256.Sum256(p) }
