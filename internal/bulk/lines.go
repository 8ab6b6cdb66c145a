package bulk

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
)

// MaxLineBytes bounds a line: the largest input, with room for the escapes that a file may write it with, and for the rest.
const MaxLineBytes = 2 << 20

// place is where in its source a line ends.
type place struct {
	line   int
	offset int64
	sha256 [sha256.Size]byte // of all bytes up to there
}

// lines reads a source line by line and knows where it is.
type lines struct {
	source *bufio.Reader
	digest hash.Hash
	number int // of the last line
	offset int64
	ended  bool // the end was met: what comes behind it later may be the rest of a line
}

func newLines(source io.Reader) *lines {
	return &lines{source: bufio.NewReaderSize(source, MaxLineBytes), digest: sha256.New()}
}

// next returns the next line, which is good until the next call, without its end. A line that is too long comes cut, and whole
// says so. At the end the error is io.EOF.
func (l *lines) next() (line []byte, whole bool, err error) {
	if l.ended {
		return nil, true, io.EOF
	}
	line, err = l.source.ReadSlice('\n')
	l.saw(line)
	if whole = !errors.Is(err, bufio.ErrBufferFull); !whole {
		line = bytes.Clone(line) // the rest goes through the same buffer
		err = l.skipLine()
	}
	if l.ended = errors.Is(err, io.EOF); l.ended && len(line) > 0 {
		err = nil // the last line needs no end
	}
	if err == nil {
		l.number++
	}
	return bytes.TrimSpace(line), whole, err
}

func (l *lines) skipLine() error {
	for {
		more, err := l.source.ReadSlice('\n')
		l.saw(more)
		if !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
	}
}

func (l *lines) saw(read []byte) {
	l.offset += int64(len(read))
	_, _ = l.digest.Write(read) // a hash takes everything
}

func (l *lines) place() place {
	p := place{line: l.number, offset: l.offset}
	l.digest.Sum(p.sha256[:0])
	return p
}

// drained reports that the next call of next may have to wait.
func (l *lines) drained() bool { return l.source.Buffered() == 0 }

var errChanged = errors.New("the lines that were published have changed since")

// skip goes to a place of which an earlier run has told. It fails with errChanged when what is before it is not what was, or
// when it is a last line without an end, and something follows now.
func (l *lines) skip(to place) error {
	var last lastByte
	n, err := io.CopyN(io.MultiWriter(l.digest, &last), l.source, to.offset)
	l.offset, l.number = n, to.line
	if errors.Is(err, io.EOF) {
		return errChanged
	}
	if err == nil && l.place() != to {
		err = errChanged
	}
	if err == nil && n > 0 && last != '\n' {
		if _, none := l.source.Peek(1); none == nil {
			err = errChanged
		}
	}
	return err
}

// lastByte is that of all that was written to it.
type lastByte byte

// Write implements io.Writer.
func (b *lastByte) Write(p []byte) (int, error) {
	if len(p) > 0 {
		*b = lastByte(p[len(p)-1])
	}
	return len(p), nil
}
