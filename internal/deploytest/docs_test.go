package deploytest

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestDeployPageRestsOnWhatIsThere: a statement whose test has gone, or has another name, has nothing to rest on.
func TestDeployPageRestsOnWhatIsThere(t *testing.T) {
	t.Parallel()
	page, tests := read(t, "../../docs/deploy.md"), allTests(t)
	names := regexp.MustCompile(`\bTest\w+`).FindAllString(page, -1)
	if len(names) < 30 {
		t.Errorf("docs/deploy.md rests on %d tests only", len(names))
	}
	for _, name := range names {
		if !strings.Contains(tests, "\nfunc "+name+"(t *testing.T)") {
			t.Errorf("docs/deploy.md rests on %s, which is not there", name)
		}
	}
	for _, script := range regexp.MustCompile(`\b\w+\.txtar`).FindAllString(page, -1) {
		if _, err := os.Stat("../../cmd/consumer/testdata/script/" + script); err != nil {
			t.Errorf("docs/deploy.md: %v", err)
		}
	}
	for _, path := range regexp.MustCompile(`\b(pkg|cmd|internal|migrations|deploy)/[\w/.-]*\w`).FindAllString(page, -1) {
		if _, err := os.Stat("../../" + path); err != nil {
			t.Errorf("docs/deploy.md: %v", err)
		}
	}
}

// allTests is the text of every test file.
func allTests(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, folder := range []string{"cmd", "pkg", "internal", "migrations"} {
		err := filepath.WalkDir(filepath.Join("../..", folder), func(path string, _ fs.DirEntry, err error) error {
			if err == nil && strings.HasSuffix(path, "_test.go") {
				all.WriteString(read(t, path))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all.String()
}
