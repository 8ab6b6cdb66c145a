package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// documents have places for sections: between <!-- bench:NAME --> and <!-- /bench -->.
var documents = []string{"docs/performance.md", "README.md"}

// write brings the documentation in the root folder up to these results. The chart, as the summary, wants all scenarios.
func (r results) write(root string) error {
	if err := writeSections(root, r.sections()); err != nil || !r.complete() {
		return err
	}
	return r.writeChart(root)
}

// writeSections puts sections into their places in the documents. Each has to have one.
func writeSections(root string, sections []section) error {
	placed := map[string]bool{}
	for _, name := range documents {
		path := filepath.Join(root, filepath.FromSlash(name))
		before, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		after := string(before)
		for _, s := range sections {
			text, found, err := replaceSection(after, s)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			after, placed[s.name] = text, placed[s.name] || found
		}
		if after == string(before) {
			continue
		}
		if err := os.WriteFile(path, []byte(after), 0o644); err != nil { //nolint:gosec // a document, for all to read
			return err
		}
	}
	for _, s := range sections {
		if !placed[s.name] {
			return fmt.Errorf("no document has a place for the section %s: write <!-- bench:%s --> and <!-- /bench --> into one", s.name, s.name)
		}
	}
	return nil
}

func replaceSection(document string, s section) (replaced string, found bool, err error) {
	begin, end := "<!-- bench:"+s.name+" -->\n", "<!-- /bench -->"
	before, rest, found := strings.Cut(document, begin)
	if !found {
		return document, false, nil
	}
	_, after, ended := strings.Cut(rest, end)
	if !ended {
		return "", false, fmt.Errorf("the section %s does not end: write %s after it", s.name, end)
	}
	return before + begin + s.text + end + after, true, nil
}
