package jobstest_test

import (
	"os"
	"strings"
	"testing"

	"oprun.example/pkg/jobs/jobstest"
)

// A user's test, as docs/testing.md shows it.
func TestConfirm(t *testing.T) {
	t.Parallel()
	bench := jobstest.New(t, types, confirming(), jobstest.Config{Migrate: orders})
	run := bench.Run("orders.confirm", confirmation{OrderID: 7})
	run.WantSucceeded()
	run.WantCounts(map[string]int64{"updated": 1})
	bench.WantEffects(1, "select confirmed from orders where id = 7")
}

// What the documents show is what the tests run, line by line, whatever it is indented by.
func TestDocumentsShowWhatIsRun(t *testing.T) {
	t.Parallel()
	code := plain(read(t, "example_test.go") + read(t, "confirm_test.go"))
	guide := strings.Split(read(t, "../../../docs/testing.md"), "```")
	var blocks []string
	for _, block := range guide {
		if listing, ok := strings.CutPrefix(block, "go\n"); ok {
			blocks = append(blocks, listing)
		}
	}
	_, listing, _ := strings.Cut(read(t, "doc.go"), "//\n//\tfunc")
	listing, _, _ = strings.Cut("func"+listing, "//\n")
	blocks = append(blocks, strings.ReplaceAll(listing, "\n//", "\n"))
	if len(blocks) < 8 {
		t.Fatalf("%d listings are too few: they are not found", len(blocks))
	}
	for _, block := range blocks {
		if !strings.Contains(code, plain(block)) {
			t.Errorf("no test has this:\n%s", block)
		}
	}
}

// plain is a text without indentation.
func plain(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimLeft(line, "\t ")
	}
	return strings.Join(lines, "\n")
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
