package bulk

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"oprun.example/pkg/events"
)

// refusal is a line of the file of refusals.
type refusal struct {
	Line   int    `json:"line"`
	Field  string `json:"field,omitempty"`
	Reason string `json:"reason"`
	Text   string `json:"text"` // the line itself; the beginning of one that is too long
}

// refusalOf puts an error about a line into words.
func refusalOf(number int, line []byte, err error) refusal {
	r := refusal{Line: number, Reason: err.Error(), Text: string(line)}
	if about, ok := errors.AsType[*FieldError](err); ok {
		r.Field, r.Reason = about.Field, about.Err.Error()
	} else if refused, ok := errors.AsType[*events.Refusal](err); ok {
		if r.Reason, ok = strings.CutPrefix(refused.Detail, "input: "); ok {
			r.Field = "input"
		}
	}
	return r
}

// refusals is the file that keeps the lines that were not published. It is made with the first of them.
type refusals struct {
	path         string
	file         *os.File // nil: none yet
	out          *bufio.Writer
	size, synced int64
}

// openRefusals keeps the first bytes of the file, which an earlier run has written, and drops the rest, which this one writes again.
func openRefusals(path string, keep int64) (*refusals, error) {
	r := &refusals{path: path}
	if keep > 0 {
		return r, r.open(keep)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("begin the file of refusals anew: %w", err)
	}
	return r, nil
}

func (r *refusals) open(keep int64) error {
	file, err := os.OpenFile(r.path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open the file of refusals: %w", err)
	}
	end, err := file.Seek(0, io.SeekEnd)
	if r.size = min(keep, end); err == nil { // somebody may have moved the old one away
		err = file.Truncate(r.size)
	}
	if err == nil {
		_, err = file.Seek(r.size, io.SeekStart)
	}
	if err != nil {
		return fmt.Errorf("open the file of refusals: %w", errors.Join(err, file.Close()))
	}
	r.file, r.out = file, bufio.NewWriter(file)
	return nil
}

func (r *refusals) add(refused refusal) error {
	if r.file == nil {
		if err := r.open(0); err != nil {
			return err
		}
	}
	text, err := json.Marshal(refused)
	if err == nil {
		_, err = r.out.Write(append(text, '\n'))
	}
	if err != nil {
		return fmt.Errorf("write the file of refusals: %w", err)
	}
	r.size += int64(len(text)) + 1
	return nil
}

// flush brings what was added to the disk: the resume file, which is written next, counts on it.
func (r *refusals) flush() error {
	if r.file == nil || r.out.Buffered() == 0 && r.size == r.synced {
		return nil
	}
	r.synced = r.size
	if err := errors.Join(r.out.Flush(), r.file.Sync()); err != nil {
		return fmt.Errorf("write the file of refusals: %w", err)
	}
	return nil
}

func (r *refusals) close() error {
	if r.file == nil {
		return nil
	}
	return errors.Join(r.flush(), r.file.Close())
}
