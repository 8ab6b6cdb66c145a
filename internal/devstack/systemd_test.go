package devstack

import (
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"
)

func TestFindSystemd(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		script string // of the one on PATH
		ours   bool   // a private copy is made
	}{
		"the one on PATH": {"echo 'systemd 252 (252.38-1)'", false},
		"a newer one too": {"echo 'systemd 257 (257.9)'", false},
		"else the distribution's when it does not run": {"exit 127", true},
		"or is old":                          {"echo 'systemd 247 (247.3)'", true},
		"or has no version that can be read": {"echo unknown", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, p := distribution(t)
			program(t, filepath.Join(dir, "systemd-analyze"), test.script)
			found, err := p.findSystemd(t.Context())
			if err != nil || strings.HasPrefix(found.path, filepath.Join(dir, "cache")) != test.ours || (len(found.env) > 0) != test.ours {
				t.Errorf("found %+v (%v)", found, err)
			}
			if got := len(downloads(t, dir)); (got > 0) != test.ours {
				t.Errorf("downloaded %d packages", got)
			}
		})
	}
}

func TestMissingSystemd(t *testing.T) {
	t.Parallel()
	p := places{
		getenv: environment(map[string]string{"PATH": t.TempDir(), "OPRUN_NO_INSTALL": "1"}),
		cache:  func() (string, error) { return t.TempDir(), nil }, announce: io.Discard,
	}
	_, err := p.findSystemd(t.Context())
	if _, ok := errors.AsType[*MissingError](err); !ok {
		t.Fatalf("got %v", err)
	}
	for _, word := range []string{"no systemd-analyze 252 or later to run", "type: unset OPRUN_NO_INSTALL", "apt-get install systemd"} {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("the text lacks %q:\n%v", word, err)
		}
	}
}

// The real thing answers.
func TestSystemdAnalyze(t *testing.T) {
	t.Parallel()
	out, err := SystemdAnalyze(t.Context(), t, "--version").Output()
	if err != nil || !systemdVersion.Match(out) {
		t.Errorf("%s: %v", out, err)
	}
}
