package devstack

import (
	"errors"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestFindJQ(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		script string // of the one on PATH
		ours   bool   // a private copy is made
	}{
		"the one on PATH": {"echo jq-1.7.1", false},
		"else the distribution's when it does not run": {"exit 127", true},
		"or is something else":                         {"echo quick", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, p := distribution(t)
			program(t, filepath.Join(dir, "jq"), test.script)
			folder, err := p.findJQ(t.Context())
			if err != nil || (folder != "") != test.ours {
				t.Errorf("found %q (%v)", folder, err)
			}
			if got := len(downloads(t, dir)); (got > 0) != test.ours {
				t.Errorf("downloaded %d packages", got)
			}
		})
	}
}

func TestMissingJQ(t *testing.T) {
	t.Parallel()
	p := places{
		getenv: environment(map[string]string{"PATH": t.TempDir(), "OPRUN_NO_INSTALL": "1"}),
		cache:  func() (string, error) { return t.TempDir(), nil }, announce: io.Discard,
	}
	_, err := p.findJQ(t.Context())
	if _, ok := errors.AsType[*MissingError](err); !ok || !strings.Contains(err.Error(), "apt-get install jq") {
		t.Errorf("got %v", err)
	}
}

// The real thing answers.
func TestJQPath(t *testing.T) {
	t.Parallel()
	shell := exec.CommandContext(t.Context(), "/bin/sh", "-c", `echo '{"name": "ada"}' | jq -r .name`)
	shell.Env = []string{"PATH=" + JQPath(t)}
	if out, err := shell.CombinedOutput(); err != nil || string(out) != "ada\n" {
		t.Errorf("jq says %q (%v)", out, err)
	}
}
