package bulk

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/google/uuid"
)

// state is what a resume file holds: which batch it is about, and up to where the stream is known to have it.
type state struct {
	Version    int        `json:"version"`
	Batch      uuid.UUID  `json:"batch"`
	About      string     `json:"about"`  // where it goes, and for whom
	Line       int        `json:"line"`   // every line up to this one is in the stream or refused
	Offset     int64      `json:"offset"` // where it ends
	SHA256     string     `json:"sha256"` // of all bytes up to there
	Counts     Counts     `json:"counts"`
	RefusedEnd int64      `json:"refused_bytes"` // how much of the file of refusals is about lines up to there
	Finished   *time.Time `json:"finished"`      // the whole file was published
}

const stateVersion = 1

// reach moves the state on to a place.
func (s *state) reach(p place) {
	s.Line, s.Offset, s.SHA256 = p.line, p.offset, hex.EncodeToString(p.sha256[:])
}

// place is how far the state has come.
func (s *state) place() (p place, err error) {
	p.line, p.offset = s.Line, s.Offset
	if s.Offset == 0 {
		return newLines(nil).place(), nil
	}
	if n, err := hex.Decode(p.sha256[:], []byte(s.SHA256)); err != nil || n != len(p.sha256) {
		return p, errors.New("its sha256 is none")
	}
	return p, nil
}

// readState reads a resume file; nil: there is none.
func readState(path string) (*state, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var s state
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	if err == nil {
		err = s.check()
	}
	if err != nil {
		return nil, fmt.Errorf("read the resume file %s: %w", path, err)
	}
	return &s, nil
}

func (s *state) check() error {
	if s.Version != stateVersion {
		return fmt.Errorf("it has version %d, and only %d is known", s.Version, stateVersion)
	}
	_, err := s.place()
	return errors.Join(ValidBatch(s.Batch), err)
}

// create writes the resume file of a new batch, which must be there before anything is published. Of two publishers of one file
// that begin at once the second fails with fs.ErrExist, and can read what the first has begun.
func (s *state) create(path string) error {
	return s.write(path, os.Link)
}

// save replaces the resume file.
func (s *state) save(path string) error {
	return s.write(path, os.Rename)
}

// write writes the state beside its path, to the disk, and then puts it there whole: a reader sees the old one or the new one.
func (s *state) write(path string, place func(from, to string) error) error {
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("write the resume file: %w", err)
	}
	defer os.Remove(file.Name())
	_, err = file.Write(append(text, '\n'))
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return fmt.Errorf("write the resume file: %w", err)
	}
	if err := errors.Join(place(file.Name(), path), syncFolder(filepath.Dir(path))); err != nil {
		return fmt.Errorf("write the resume file: %w", err)
	}
	return nil
}

// syncFolder brings a file's name to the disk.
func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
