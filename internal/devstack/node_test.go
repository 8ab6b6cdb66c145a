package devstack

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

func TestFindNode(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		node, npm string // scripts of the ones on PATH; empty: none
		ours      bool   // a private copy is made
	}{
		"the ones on PATH": {"echo v18.20.4", "echo 9.2.0", false},
		"newer ones too":   {"echo v24.1.0", "echo 11.19.1", false},
		"else the distribution's when there is no npm": {"echo v20.20.2", "", true},
		"or no node":                         {"", "echo 9.2.0", true},
		"or node is old":                     {"echo v16.20.2", "echo 9.2.0", true},
		"or has no version that can be read": {"echo unknown", "echo 9.2.0", true},
		"or npm does not run":                {"echo v20.20.2", "exit 1", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, p := distribution(t)
			// The machine's own programs are out of sight.
			p.getenv = environment(map[string]string{"PATH": dir})
			write(t, dir, "depends", "npm\n  Depends: <node-semver>\n    node-all\n  Depends: nodejs\n"+"nodejs\n  Depends: libnode108\n  Depends: libc6\n")
			for name, script := range map[string]string{"node": test.node, "npm": test.npm} {
				if script != "" {
					program(t, filepath.Join(dir, name), script)
				}
			}
			found, err := p.findNode(t.Context())
			if err != nil || strings.HasPrefix(found.node, filepath.Join(dir, "cache")) != test.ours || (found.bin != "") != test.ours {
				t.Errorf("found %+v (%v)", found, err)
			}
			var want []string
			if test.ours {
				want = []string{"npm", "libnode108", "node-all", "nodejs"}
			}
			if got := downloads(t, dir); !slices.Equal(got, want) {
				t.Errorf("downloaded %q, want %q", got, want)
			}
		})
	}
}

func TestMissingNode(t *testing.T) {
	t.Parallel()
	p := places{
		getenv: environment(map[string]string{"PATH": t.TempDir(), "OPRUN_NO_INSTALL": "1"}),
		cache:  func() (string, error) { return t.TempDir(), nil }, announce: io.Discard,
	}
	_, err := p.findNode(t.Context())
	if _, ok := errors.AsType[*MissingError](err); !ok {
		t.Fatalf("got %v", err)
	}
	for _, word := range []string{"no Node 18 or later, with npm, to run", "type: unset OPRUN_NO_INSTALL", "apt-get install nodejs npm"} {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("the text lacks %q:\n%v", word, err)
		}
	}
}

// The real thing, on systems that have it: a relocated Node reads its own parts, and both kinds of modules; npm runs.
func TestNodeFromTheDistribution(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("apt-get"); err != nil {
		t.Skip("this system has no apt-get")
	}
	cache, tools := tempFolder(t), t.TempDir()
	for _, name := range []string{"apt-get", "apt-cache", "dpkg-deb"} {
		if err := os.Symlink(filepath.Join("/usr/bin", name), filepath.Join(tools, name)); err != nil {
			t.Fatal(err)
		}
	}
	p := places{
		getenv:   environment(map[string]string{"PATH": tools}),
		cache:    func() (string, error) { return cache, nil },
		announce: io.Discard,
	}
	programs, err := p.findNode(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write(t, dir, "old.cjs", "exports.words = ['it', 'runs']")
	write(t, dir, "new.mjs", "import { words } from './old.cjs'\nconsole.log(words.join(' '), typeof fetch)")
	out, err := exec.CommandContext(t.Context(), programs.node, filepath.Join(dir, "new.mjs")).CombinedOutput()
	if err != nil || string(out) != "it runs function\n" {
		t.Errorf("answered %q (%v)", out, err)
	}
	write(t, dir, "package.json", `{"name": "x", "private": true, "scripts": {"here": "node new.mjs"}}`)
	npm := exec.CommandContext(t.Context(), programs.npm, "run", "--silent", "here")
	npm.Dir, npm.Env = dir, append(os.Environ(), "PATH="+programs.path())
	if out, err := npm.CombinedOutput(); err != nil || string(out) != "it runs function\n" {
		t.Errorf("answered %q (%v)", out, err)
	}
}

// The machine's own, whichever it is.
func TestNode(t *testing.T) {
	t.Parallel()
	out, err := Node(t.Context(), t, "--print", "6 * 7").Output()
	if err != nil || string(out) != "42\n" {
		t.Errorf("answered %q (%v)", out, err)
	}
	shell := exec.CommandContext(t.Context(), "sh", "-c", "node --version && npm --version")
	shell.Env = append(os.Environ(), "PATH="+NodePath(t))
	if out, err := shell.CombinedOutput(); err != nil || !nodeVersion.Match(out) || !npmVersion.Match(out) {
		t.Errorf("answered %q (%v)", out, err)
	}
}

// registry is a cache, a package, and an npm that writes down what it was asked.
func registry(t *testing.T) (p places, programs nodePrograms, dir string, asked func() []string) {
	t.Helper()
	cache, dir, bin := filepath.Join(t.TempDir(), "cache"), t.TempDir(), t.TempDir()
	write(t, dir, "package.json", `{}`)
	write(t, dir, "package-lock.json", `{"one": 1}`)
	write(t, dir, ".npmrc", "omit-lockfile-registry-resolved=true\n")
	program(t, filepath.Join(bin, "npm"), `
test -e package.json -a -e .npmrc || exit 9
grep -q broken package-lock.json && { mkdir node_modules; echo "not in the registry" >&2; exit 1; }
grep -q empty package-lock.json && exit
echo "$1 $2" >> `+bin+`/asked
mkdir node_modules; cp package-lock.json node_modules`)
	p = places{cache: func() (string, error) { return cache, nil }, announce: io.Discard}
	return p, nodePrograms{node: "node", npm: filepath.Join(bin, "npm")}, dir, func() []string {
		text, _ := os.ReadFile(filepath.Join(bin, "asked"))
		return strings.Split(strings.TrimSpace(string(text)), "\n")
	}
}

func TestNodeModules(t *testing.T) {
	t.Parallel()
	t.Run("are made once for many at the same time, and once for every lock file", func(t *testing.T) {
		t.Parallel()
		p, programs, dir, asked := registry(t)
		var askers sync.WaitGroup
		for range 8 {
			askers.Go(func() {
				modules, err := p.nodeModules(t.Context(), programs, dir)
				if text, readErr := os.ReadFile(filepath.Join(modules, "package-lock.json")); err != nil || string(text) != `{"one": 1}` {
					t.Errorf("got %s with %s (%v, %v)", modules, text, err, readErr)
				}
			})
		}
		askers.Wait()
		if got := asked(); !slices.Equal(got, []string{"ci --ignore-scripts"}) {
			t.Errorf("npm was asked %q", got)
		}
		write(t, dir, "package-lock.json", `{"two": 2}`)
		modules, err := p.nodeModules(t.Context(), programs, dir)
		if text, readErr := os.ReadFile(filepath.Join(modules, "package-lock.json")); err != nil || string(text) != `{"two": 2}` {
			t.Errorf("got %s with %s (%v, %v)", modules, text, err, readErr)
		}
	})
	for name, test := range map[string]struct{ lock, words string }{
		"a failing npm is quoted and leaves nothing": {"broken", "not in the registry"},
		"nor does one that installs nothing":         {"empty", "made no node_modules"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, programs, dir, _ := registry(t)
			write(t, dir, "package-lock.json", test.lock)
			if modules, err := p.nodeModules(t.Context(), programs, dir); err == nil || !strings.Contains(err.Error(), test.words) {
				t.Errorf("got %s (%v)", modules, err)
			}
			cache, _ := p.cache()
			if left, _ := filepath.Glob(filepath.Join(cache, "*")); len(left) != 1 { // the lock
				t.Errorf("left behind: %q", left)
			}
		})
	}
	t.Run("a package without a lock file has none", func(t *testing.T) {
		t.Parallel()
		p, programs, _, _ := registry(t)
		if _, err := p.nodeModules(context.Background(), programs, t.TempDir()); err == nil {
			t.Error("installed")
		}
	})
}
