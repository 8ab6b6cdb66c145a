package model

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// document returns the part of docs/protocol.md that is about the model.
func document(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	_, part, found := strings.Cut(string(text), "\n## The model, ")
	if !found {
		t.Fatal("docs/protocol.md has no part on the model")
	}
	part, _, _ = strings.Cut(part, "\n## ")
	return part
}

func TestRulesAreInTheDocument(t *testing.T) {
	t.Parallel()
	text := document(t)
	for r := range numRules {
		if !regexp.MustCompile(`(?m)^\| ([A-Za-z]+ \+ )?` + r.String() + ` [|+]`).MatchString(text) {
			t.Errorf("docs/protocol.md does not say what misses %s", r)
		}
	}
}

// The first column of the mapping names functions of this package, and the second names files of pkg/oprun/sql.
func TestMappingIsTrue(t *testing.T) {
	t.Parallel()
	rows := regexp.MustCompile("(?m)^\\| (`[^|]*) \\| ([^|]*) \\| [^|]* \\|$").FindAllStringSubmatch(document(t), -1)
	if len(rows) < 15 {
		t.Fatalf("found %d rows", len(rows))
	}
	source := sourceText(t)
	for _, row := range rows {
		for _, name := range regexp.MustCompile("`([A-Za-z]+)`").FindAllStringSubmatch(row[1], -1) {
			if !strings.Contains(source, " "+name[1]+"(") && !strings.Contains(source, "\t"+name[1]+" ") {
				t.Errorf("the model has no %s", name[1])
			}
		}
		for _, name := range regexp.MustCompile(`\b[a-z]+_[a-z_]+\b`).FindAllString(row[2], -1) {
			if _, err := os.Stat("../../pkg/oprun/sql/" + name + ".sql"); err != nil {
				t.Errorf("%s: there is no statement %s", row[1], name)
			}
		}
	}
}

func sourceText(t *testing.T) string {
	t.Helper()
	paths, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	return all.String()
}
