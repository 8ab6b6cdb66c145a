package devstack

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// oneself runs the programs of these tests, as root too: they lie in folders closed to others.
var oneself = account{name: "the current user"}

// program writes an executable shell script.
func program(t *testing.T, path, script string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	// A process forked by a parallel test would inherit the open file, and an executable open for writing cannot run.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
}

// installation makes a folder whose programs only know their version.
func installation(t *testing.T, dir string, major int) string {
	t.Helper()
	for _, name := range []string{"initdb", "postgres"} {
		program(t, filepath.Join(dir, name), fmt.Sprintf("echo '%s (PostgreSQL) %d.3 (Test)'", name, major))
	}
	return dir
}

// environment is a getenv.
func environment(variables map[string]string) func(string) string {
	return func(name string) string { return variables[name] }
}

func TestFindBinaries(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	old := installation(t, filepath.Join(dir, "14", "bin"), 14)
	middle := installation(t, filepath.Join(dir, "16", "bin"), 16)
	newest := installation(t, filepath.Join(dir, "17", "bin"), 17)
	installation(t, filepath.Join(dir, "9", "bin"), 9)
	linked := filepath.Join(dir, "linked")
	if err := os.Mkdir(linked, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(middle, "initdb"), filepath.Join(linked, "initdb")); err != nil {
		t.Fatal(err)
	}
	configured := filepath.Join(dir, "configured")
	program(t, filepath.Join(configured, "pg_config"), "echo "+middle)

	system := []string{filepath.Join(dir, "*", "bin")}
	tests := map[string]struct {
		env    map[string]string
		system []string
		want   string
	}{
		"the variable first":                    {map[string]string{"OPRUN_PG_BIN": middle, "PATH": newest}, system, middle},
		"then PATH":                             {map[string]string{"PATH": dir + ":" + middle}, system, middle},
		"a link on PATH leads to its folder":    {map[string]string{"PATH": linked}, nil, middle},
		"then pg_config":                        {map[string]string{"PATH": configured}, system, middle},
		"then the system's folders, the newest": {nil, system, newest},
		"an old one on PATH is passed over":     {map[string]string{"PATH": old}, system, newest},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := places{getenv: environment(test.env), system: test.system}
			if found, err := p.find(t.Context(), oneself); err != nil || found.dir != test.want {
				t.Errorf("found %q, want %q (%v)", found.dir, test.want, err)
			}
		})
	}
}

func TestMissingBinaries(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	old := installation(t, filepath.Join(dir, "14", "bin"), 14)
	broken := filepath.Join(dir, "broken")
	for _, name := range []string{"initdb", "postgres"} {
		program(t, filepath.Join(broken, name), "echo 'libmissing.so.1: cannot open' >&2; exit 127")
	}
	tests := map[string]struct {
		env   map[string]string
		words []string
	}{
		"nothing anywhere and nothing may be unpacked": {
			map[string]string{"OPRUN_NO_INSTALL": "1"},
			[]string{"PostgreSQL 15 or later", "OPRUN_PG_BIN is not set", "PATH", "pg_config", "/no/such/*/bin", "OPRUN_NO_INSTALL forbids", "type: unset OPRUN_NO_INSTALL"},
		},
		"any other value forbids too": {
			map[string]string{"OPRUN_NO_INSTALL": "please"}, []string{"OPRUN_NO_INSTALL forbids"},
		},
		"the variable leads nowhere": {
			map[string]string{"OPRUN_PG_BIN": "/no/such"}, []string{"/no/such has no initdb", "type: export OPRUN_PG_BIN="},
		},
		"the variable leads to an old one": {
			map[string]string{"OPRUN_PG_BIN": old}, []string{"version 14, too old"},
		},
		"what does not run says why": {
			map[string]string{"OPRUN_PG_BIN": broken}, []string{"does not run as the current user", "libmissing.so.1"},
		},
		"no packages on this machine": {
			map[string]string{"OPRUN_NO_INSTALL": "0"}, []string{"only Debian", "type: export OPRUN_PG_BIN="},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := places{getenv: environment(test.env), system: []string{"/no/such/*/bin"}, cache: func() (string, error) { return t.TempDir(), nil }, announce: io.Discard}
			_, err := p.find(t.Context(), oneself)
			if _, ok := errors.AsType[*MissingError](err); !ok {
				t.Fatalf("got %v", err)
			}
			for _, word := range test.words {
				if !strings.Contains(err.Error(), word) {
					t.Errorf("the text lacks %q:\n%v", word, err)
				}
			}
		})
	}
}
