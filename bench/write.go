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

// writeSections puts sections into their places in the documents.
func writeSections(root string, sections []section) error {
	texts, err := placeSections(root, sections)
	if err != nil {
		return err
	}
	for path, text := range texts {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil { //nolint:gosec // a document, for all to read
			return err
		}
	}
	return nil
}

// findPlaces makes sure, before hours of measuring, that sections of these names can be written.
func findPlaces(root string, names []string) error {
	sections := make([]section, len(names))
	for i, name := range names {
		sections[i].name = name
	}
	_, err := placeSections(root, sections)
	return err
}

// placeSections returns the documents with sections in their places, by path. Each section has to have one.
func placeSections(root string, sections []section) (texts map[string]string, err error) {
	texts, placed := map[string]string{}, map[string]bool{}
	for _, name := range documents {
		path := filepath.Join(root, filepath.FromSlash(name))
		before, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		texts[path] = string(before)
		for _, s := range sections {
			text, found, err := replaceSection(texts[path], s)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			texts[path], placed[s.name] = text, placed[s.name] || found
		}
	}
	for _, s := range sections {
		if !placed[s.name] {
			return nil, fmt.Errorf("no document has a place for the section %s: write <!-- bench:%s --> and <!-- /bench --> into one", s.name, s.name)
		}
	}
	return texts, nil
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
