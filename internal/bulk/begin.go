package bulk

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/uuid"
)

// ChoiceError says that only the caller can know what is meant.
type ChoiceError struct {
	Err  error
	Hint string // what to type for which
}

// Error is the text of Err.
func (e *ChoiceError) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *ChoiceError) Unwrap() error { return e.Err }

// source is what is published.
type source struct {
	*lines
	file *os.File // nil: Stdin
	size int64
}

// keepsApart refuses to write over what is to be read.
func (c Config) keepsApart() error {
	paths := map[string]string{"the file of jobs": c.From, "the resume file": c.Resume, "the file of refusals": c.Refused}
	if c.From == Stdin {
		delete(paths, "the file of jobs")
	}
	for one, path := range paths {
		for other, second := range paths {
			if one < other && path != "" && same(path, second) {
				return fmt.Errorf("%s and %s are one: %s", one, other, path)
			}
		}
	}
	return nil
}

func same(path, other string) bool {
	if filepath.Clean(path) == filepath.Clean(other) {
		return true
	}
	one, err := os.Stat(path)
	two, otherErr := os.Stat(other)
	return err == nil && otherErr == nil && os.SameFile(one, two)
}

func (c Config) open() (*source, error) {
	if c.From == Stdin {
		return &source{lines: newLines(c.In)}, nil
	}
	file, err := os.Open(c.From)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it is no file that could be read twice: let --from - read it from stdin")
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &source{newLines(file), file, info.Size()}, nil
}

func (s *source) close() error {
	if s.file == nil {
		return nil
	}
	return s.file.Close()
}

// rewind goes back to the first line.
func (s *source) rewind() error {
	if s.file == nil {
		return errors.New("what comes from stdin cannot be read twice")
	}
	if _, err := s.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	s.lines = newLines(s.file)
	return nil
}

// begin decides which batch this is, and goes to the line where it goes on.
func (c Config) begin(from *source) (*state, error) {
	old, err := c.readResume()
	if err != nil {
		return nil, err
	}
	if old == nil {
		return c.beginNew(c.Batch, (*state).create)
	}
	named := c.Batch != uuid.Nil && c.Batch == old.Batch
	switch {
	case c.Batch != uuid.Nil && !named && old.Finished == nil:
		return nil, &ChoiceError{
			fmt.Errorf("%s is about batch %s, which is not finished", c.Resume, old.Batch),
			"leave --batch out to go on with it, or name another --resume-file",
		}
	case old.Finished != nil && !named && (c.Again || c.Batch != uuid.Nil):
		return c.beginNew(c.Batch, (*state).save)
	case old.About != c.about() && named:
		return c.beginNew(c.Batch, (*state).save)
	case old.About != c.about():
		return nil, c.elsewhere(old)
	}
	unchanged, err := from.goesOn(old)
	switch {
	case err != nil:
		return nil, err
	case unchanged:
		return old, nil
	case !named && !c.Again:
		return nil, c.changed(old)
	}
	if err := from.rewind(); err != nil {
		return nil, err
	}
	return c.beginNew(c.Batch, (*state).save)
}

func (c Config) readResume() (*state, error) {
	if c.Resume == "" {
		return nil, nil
	}
	return readState(c.Resume)
}

// beginNew begins a batch at its first line, and has the resume file know that before anything is published.
func (c Config) beginNew(batch uuid.UUID, write func(*state, string) error) (*state, error) {
	if batch == uuid.Nil {
		var err error
		if batch, err = newBatch(); err != nil {
			return nil, err
		}
	}
	s := &state{Version: stateVersion, Batch: batch, About: c.about()}
	if c.Resume == "" {
		return s, nil
	}
	err := write(s, c.Resume)
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("another publisher has just begun with this file: type the same again to publish the same batch: %w", err)
	}
	return s, err
}

// goesOn goes to where a batch has come, and reports whether all before that, and of a finished batch all, is as it was.
func (s *source) goesOn(old *state) (bool, error) {
	to, err := old.place()
	if err != nil {
		return false, err
	}
	err = s.skip(to)
	if errors.Is(err, errChanged) {
		return false, nil
	}
	if err != nil || old.Finished == nil {
		return err == nil, err
	}
	_, err = s.source.Peek(1)
	return errors.Is(err, io.EOF), nil
}

// about tells one publication of a file from another: where it goes, and what its lines do not say for themselves.
func (c Config) about() string {
	words := []string{"to " + c.Target}
	if c.Defaults.Type != "" {
		words = append(words, "as "+c.Defaults.Type)
	}
	if c.Defaults.Scope.ID != uuid.Nil {
		words = append(words, "for "+c.Defaults.Scope.String())
	}
	return strings.Join(words, " ")
}

func (c Config) elsewhere(old *state) error {
	if old.Finished == nil {
		return &ChoiceError{
			fmt.Errorf("%s is about a publication %s, which is not finished, and this is one %s", c.Resume, old.About, c.about()),
			"go on with that one first, or name another --resume-file for this one",
		}
	}
	return &ChoiceError{
		fmt.Errorf("%s was published %s, and not %s", c.From, old.About, c.about()),
		fmt.Sprintf("type --again to publish it so as new jobs, or --batch %s if it is only the address that has changed", old.Batch),
	}
}

func (c Config) changed(old *state) error {
	what := fmt.Errorf("%s has changed: its first %d lines are not those that batch %s has published", c.From, old.Line, old.Batch)
	if old.Finished != nil {
		what = fmt.Errorf("%s has changed since batch %s has published all of it", c.From, old.Batch)
	}
	return &ChoiceError{what, fmt.Sprintf("type --again to publish all its lines as new jobs, or --batch %s to publish only what is not the same as it was at the same line", old.Batch)}
}
