//go:build failpoint

package crash

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// rows are what must be tested: the places and events of the protocol at which a job can break.
var rows = []string{
	"before claim", "after claim, before run", "during run", "effects done, before commit", "COMMIT reply lost",
	"queued effects, before their transaction", "queued effects done, before finish", "queued effects, before COMMIT",
	"queued effects, COMMIT reply lost", "queued effects, after commit, before ack", "after commit, before ack", "ack lost", "retry parked, before ack", "relay before publish", "after publish, before mark",
	"PubAck timeout", "stream purged", "stream deleted and recreated", "broker killed", "Postgres restarted",
	"Postgres down for minutes", "a caller's transaction open for long on a claimed identity", "two sweepers",
	"cancel racing finish", "promotion racing a new owner", "replay of a whole old stream", "retention racing replay",
}

var columns = []string{"row", "kill -9", "frozen", "error", "delay"}

// TestMatrix holds docs/crash-points.md to be complete and true.
func TestMatrix(t *testing.T) {
	t.Parallel()
	lines := matrix(t)
	if diff := cmp.Diff(columns, lines[0]); diff != "" {
		t.Fatalf("columns (-want +got):\n%s", diff)
	}
	var got []string
	named := map[string]bool{}
	own, theirs := stories(), testsOf(t, "../../pkg/jobs")
	for _, line := range lines[2:] { // below the rule
		got = append(got, line[0])
		if len(line) != len(columns) {
			t.Errorf("%s: %d cells, want %d", line[0], len(line)-1, len(columns)-1)
		}
		for _, cell := range line[1:] {
			for _, name := range names(t, line[0], cell) {
				named[name] = true
				elsewhere, isTheirs := strings.CutPrefix(name, "jobs.")
				if own[name] == nil && (!isTheirs || !theirs.have(elsewhere)) {
					t.Errorf("%s: there is no test %q", line[0], name)
				}
			}
		}
	}
	if diff := cmp.Diff(rows, got); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	for name := range maps.Keys(own) {
		if !named[name] {
			t.Errorf("the story %q is in no cell", name)
		}
	}
}

// matrix returns the cells of the table, line by line.
func matrix(t *testing.T) (lines [][]string) {
	t.Helper()
	text := string(must(os.ReadFile("../../docs/crash-points.md"))(t))
	_, text, _ = strings.Cut(text, "## The matrix")
	text, _, found := strings.Cut(text, "\n## ")
	if !found {
		t.Fatal("docs/crash-points.md has no matrix")
	}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "|") {
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		lines = append(lines, cells)
	}
	if len(lines) < 3 {
		t.Fatal("the matrix has no rows")
	}
	return lines
}

var quoted = regexp.MustCompile("`([^`]+)`")

// names are the tests of a cell; none if it says why there is none.
func names(t *testing.T, row, cell string) (found []string) {
	t.Helper()
	if reason, ok := strings.CutPrefix(cell, "n/a: "); ok {
		if len(reason) < 20 {
			t.Errorf("%s: %q is no reason", row, reason)
		}
		return nil
	}
	for _, match := range quoted.FindAllStringSubmatch(cell, -1) {
		found = append(found, match[1])
	}
	if rest := strings.TrimSpace(quoted.ReplaceAllString(cell, "")); len(found) == 0 || rest != "" {
		t.Errorf("%s: the cell %q is neither tests nor n/a with a reason", row, cell)
	}
	return found
}

// tests are those of another package: the texts in each, among which are the names of its steps.
type tests map[string][]string

// have tells whether there is such a test, or such a step of one.
func (ts tests) have(name string) bool {
	test, step, isStep := strings.Cut(name, "/")
	texts, ok := ts[test]
	return ok && (!isStep || slices.Contains(texts, step))
}

// testsOf reads the tests that an ordinary build of a package runs. One that may skip itself is none.
func testsOf(t *testing.T, dir string) tests {
	t.Helper()
	found := tests{}
	for _, name := range must(filepath.Glob(filepath.Join(dir, "*_test.go")))(t) {
		source := must(os.ReadFile(name))(t)
		if strings.HasPrefix(string(source), "//go:build") {
			continue
		}
		file := must(parser.ParseFile(token.NewFileSet(), name, source, parser.SkipObjectResolution))(t)
		for _, decl := range file.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil && strings.HasPrefix(fn.Name.Name, "Test") {
				if texts, skips := read(fn); !skips {
					found[fn.Name.Name] = texts
				}
			}
		}
	}
	return found
}

// read returns the texts in a function, and whether it skips.
func read(fn *ast.FuncDecl) (texts []string, skips bool) {
	ast.Inspect(fn, func(node ast.Node) bool {
		switch n := node.(type) {
		case *ast.BasicLit:
			if text, err := strconv.Unquote(n.Value); err == nil && n.Kind == token.STRING {
				texts = append(texts, text)
			}
		case *ast.SelectorExpr:
			skips = skips || strings.HasPrefix(n.Sel.Name, "Skip")
		}
		return true
	})
	return texts, skips
}
