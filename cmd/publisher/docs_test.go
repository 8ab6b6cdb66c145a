package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"oprun.example/pkg/catalog"
)

// block is one listing of a document: what stands behind its fence, and its text.
type block struct{ language, file, text string }

var fence = regexp.MustCompile("(?ms)^```(\\w+) ?(\\S*)\n(.*?)^```$")

func blocks(t *testing.T, path string) []block {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var list []block
	for _, m := range fence.FindAllStringSubmatch(string(text), -1) {
		list = append(list, block{m[1], m[2], m[3]})
	}
	return list
}

// TestCatalogueDocument runs every command of docs/catalogue.md in a folder that has every file of it, and compares what
// it prints with what the document shows.
func TestCatalogueDocument(t *testing.T) {
	t.Parallel()
	dir, commands := t.TempDir(), 0
	list := blocks(t, "../../docs/catalogue.md")
	for i, b := range list {
		switch {
		case b.file != "":
			path := filepath.Join(dir, b.file)
			if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(b.text), 0o600); err != nil {
				t.Fatal(err)
			}
		case b.language == "sh":
			commands++
			if i+1 == len(list) || list[i+1].language != "text" {
				t.Fatalf("the document does not show what this prints:\n%s", b.text)
			}
			if diff := cmp.Diff(list[i+1].text, shell(t, dir, b.text)); diff != "" {
				t.Errorf("%s(-shown +printed):\n%s", b.text, diff)
			}
		}
	}
	if commands < 4 {
		t.Errorf("the document has %d commands only", commands)
	}
}

func shell(t *testing.T, dir, script string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-euc", script)
	cmd.Dir = dir
	var out, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaints
	if err := cmd.Run(); err != nil {
		t.Errorf("%s: %v\n%s", script, err, complaints.String())
	}
	return out.String()
}

// The tables have every key that a catalogue knows, and no other.
func TestCatalogueDocumentHasEveryKey(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/catalogue.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| (`[^|]*)\\|").FindAllStringSubmatch(string(text), -1) {
		for _, key := range regexp.MustCompile("`([a-z_.]+)`").FindAllStringSubmatch(row[1], -1) {
			shown[key[1][strings.LastIndex(key[1], ".")+1:]] = true
		}
	}
	const all = "version: 1\njobs: {a.b: {retry: {'': 1}, stale_after: {'': 1}, '': 1}}\nschedules: {a: {'': 1}}\nhandlers: {a.b: {'': 1}}"
	_, err = catalog.Parse("jobs.yaml", []byte(all), nil)
	if err == nil {
		t.Fatal("a key without a name is taken")
	}
	known := map[string]bool{"identity": true, "fires": true, "inputs": true} // the table of effects
	for _, line := range regexp.MustCompile(`is no key here: use (.*)`).FindAllStringSubmatch(err.Error(), -1) {
		for _, key := range strings.Split(line[1], ", ") {
			known[key] = true
		}
	}
	delete(known, "stale_after") // by its parts
	if diff := cmp.Diff(known, shown); diff != "" {
		t.Errorf("keys (-known +shown):\n%s", diff)
	}
}
