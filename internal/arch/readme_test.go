package arch

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The README shows the example as it is compiled and run by the tests.
func TestREADMEListsTheExample(t *testing.T) {
	t.Parallel()
	readme, code := read(t, "README.md"), read(t, "examples/minimal/main.go")
	_, shown, found := strings.Cut(readme, "```go\n")
	if !found {
		t.Fatal("README.md has no Go listing")
	}
	shown, _, _ = strings.Cut(shown, "```")
	if !strings.Contains(code, shown) {
		t.Errorf("examples/minimal/main.go does not contain the listing of README.md:\n%s", shown)
	}
}

// The script that guards every commit runs the very command that the README gives a new user.
func TestCIRunsTheREADMEsTestCommand(t *testing.T) {
	t.Parallel()
	const command = "go test ./..."
	if !strings.Contains(read(t, "README.md"), "\n"+command) {
		t.Errorf("README.md does not give %q", command)
	}
	if !strings.Contains(read(t, ".ci/run"), "\n"+command+"\n") {
		t.Errorf(".ci/run does not run %q", command)
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
