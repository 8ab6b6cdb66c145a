package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"oprun.example/internal/devstack"
	"oprun.example/pkg/catalog"
)

// Every command of docs/publishing.md is run, on the files that it shows.
func TestCommandsOfThePublishingPage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "publishing.md"))
	check(t, err)
	const window = 2 * time.Minute // the default
	s := newStage(t, window)
	var script strings.Builder
	for _, block := range regexp.MustCompile("(?s)```(\\S*) ?(\\S*)\n(.*?)```").FindAllStringSubmatch(string(page), -1) {
		switch language, name, text := block[1], block[2], block[3]; {
		case name != "":
			check(t, os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600))
		case language == "sh":
			script.WriteString(text)
		case !strings.HasPrefix(text, "go test ./cmd/publisher -run Killed"):
			t.Errorf("nobody runs this:\n%s", text)
		}
	}
	declared, err := catalog.Load(filepath.Join(s.dir, "jobs.yaml"))
	check(t, err)
	stop, err := workIdly(s.js, s.ledger, declared)
	check(t, err)
	defer func() { check(t, stop()) }()
	shell := exec.CommandContext(t.Context(), "sh", "-eux")
	shell.Dir, shell.Stdin = s.dir, strings.NewReader(script.String())
	shell.Env = append(os.Environ(), "PATH="+devstack.JQPath(t), "NATS_URL="+s.natsURL, "DATABASE_URL="+s.pool.Config().ConnString(), "TENANT="+s.tenant.String())
	out, err := shell.CombinedOutput()
	t.Logf("%s", out)
	check(t, err)
	if got := strings.Count(script.String(), "publisher "); got < 9 {
		t.Errorf("the page shows %d commands", got)
	}
}
