package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"oprun.example/pkg/events"
)

const replayPage = "../../docs/replay.md"

// beforeThePage is what the page takes for granted: a stream with jobs in it, and workers who have done them.
const beforeThePage = `ledger
topology
worker
exec publisher publish --type greetings.send --tenant $TENANT --input '{"name": "Ada"}' --wait
exec publisher publish --type greetings.send --tenant $TENANT --input '{"name": "Eve"}' --wait
exec publisher publish --type greetings.send --tenant $TENANT --input '{"name": "Joe"}' --wait
`

// Every command of the page runs, in its order, and ends well; what it shows is there.
func TestReplayPage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(replayPage)
	if err != nil {
		t.Fatal(err)
	}
	var script strings.Builder
	script.WriteString(beforeThePage)
	lines := 0
	for _, block := range regexp.MustCompile("(?s)```(sh|sql)\n(.*?)```").FindAllStringSubmatch(string(page), -1) {
		for line := range strings.Lines(block[2]) {
			script.WriteString(step(block[1], strings.TrimSpace(line)))
			lines++
		}
	}
	if lines < 12 {
		t.Errorf("the page has %d commands only", lines)
	}
	for _, same := range []string{"recorded.ndjson.zst", "recorded.ndjson.zst --dry-run"} { // it promises no effect
		script.WriteString("exec publisher replay " + same + "\nstdout '^3 +[03] +0 +[-0] '\n")
	}
	script.WriteString("-- jobs.yaml --\nversion: 1\njobs:\n  greetings.send: {scope: tenant, identity: [name]}\n")
	file := filepath.Join(t.TempDir(), "page.txtar")
	if err := os.WriteFile(file, []byte(script.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	params := scripts()
	params.Files = []string{file}
	testscript.Run(t, params)
}

// step is a command of the page as a script has it. One that goes on for ever is interrupted once it has begun.
func step(language, line string) string {
	switch {
	case language == "sql":
		return "answers " + quoted(line) + "\n"
	case strings.Contains(line, "--follow"):
		words := strings.Fields(line)
		return "exec " + line + " &follow&\nwaits " + words[len(words)-1] + " 3\nkill -INT follow\nwait follow\nstdout ' 3 '\n"
	default:
		return "exec sh -c " + quoted(line) + "\n"
	}
}

func quoted(line string) string { return "'" + strings.ReplaceAll(line, "'", "''") + "'" }

// The page's lines of a record are records.
func TestReplayPageShowsRecords(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(replayPage)
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```json\n(.*?)```").FindAllStringSubmatch(string(page), -1)
	if len(blocks) == 0 {
		t.Fatal("the page shows no record")
	}
	for _, block := range blocks {
		for m, err := range events.Records(strings.NewReader(block[1])) {
			if err != nil {
				t.Fatal(err)
			}
			if _, err := (events.Codec{}).Decode(m); err != nil {
				t.Errorf("%v: %v", m.Place(), err)
			}
		}
	}
}

// The page names every verdict, and no others.
func TestReplayPageNamesTheVerdicts(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(replayPage)
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("../../internal/replay/report.go")
	if err != nil {
		t.Fatal(err)
	}
	var want, got []string
	for _, found := range regexp.MustCompile(`Verdict += "(\w+)"`).FindAllStringSubmatch(string(source), -1) {
		want = append(want, strings.ReplaceAll(found[1], "_", " "))
	}
	_, table, _ := strings.Cut(string(page), "| verdict | ")
	table, _, _ = strings.Cut(table, "\n\n")
	for _, found := range regexp.MustCompile(`\n\| ([a-z ]+) \|`).FindAllStringSubmatch(table, -1) {
		got = append(got, found[1])
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(want, got) || len(want) == 0 {
		t.Errorf("the page names %v, want %v", got, want)
	}
}
