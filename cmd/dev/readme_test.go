package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A new user types what the README says under "Run it", line by line, and the job has run.
func TestREADMERunsAsItStands(t *testing.T) {
	t.Parallel()
	_, section, _ := strings.Cut(read(t, "README.md"), "\n## Run it\n")
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```.*?```sh\n(.*?)```").FindStringSubmatch(section)
	if blocks == nil {
		t.Fatal("README.md has no jobs.yaml and no commands under \"Run it\"")
	}
	dir := t.TempDir()
	script := filepath.Join(dir, "typed.sh")
	for file, text := range map[string]string{filepath.Join(dir, "jobs.yaml"): blocks[1], script: typed(dir, blocks[2])} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	play := start(t, "go run ./cmd/dev exec -- sh "+script, "OPRUN_METRICS_LISTEN=127.0.0.1:0")
	play.ask(t, []asked{{"select outcome from oprun.operation_runs where type = 'greetings.send'", []string{"succeeded"}}})
	play.end(t)
	if got, err := os.ReadFile(filepath.Join(dir, "greetings.txt")); err != nil || string(got) != `{"name": "Ada"}` {
		t.Errorf("the handler has left %q, %v", got, err)
	}
}

// typed are the lines as somebody with two terminals types them: exec has exported the addresses, what is to be looked up is
// looked up, and the consumer goes on beside what follows it.
func typed(dir, lines string) string {
	var script strings.Builder
	fmt.Fprintf(&script, "set -eu\nexport GOBIN='%s' PATH='%[1]s':\"$PATH\"\ntrap 'kill $consumer; wait $consumer' EXIT\n", dir)
	for line := range strings.Lines(lines) {
		line, _, _ = strings.Cut(line, " #")
		switch line = strings.TrimSpace(line); {
		case strings.HasPrefix(line, "export "):
		case strings.HasPrefix(line, "go install "):
			fmt.Fprintf(&script, "%s\ncd '%s'\n", line, dir)
		case line == "consumer run":
			script.WriteString("consumer run & consumer=$!\n")
		default:
			script.WriteString(strings.ReplaceAll(line, "<external id>", `"$(consumer seed | sed -n 's/^TENANT ID *//p')"`) + "\n")
		}
	}
	return script.String()
}
