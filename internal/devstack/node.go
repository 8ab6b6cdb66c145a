package devstack

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// modulesTimeout is for an npm that fetches its packages over a slow line.
const modulesTimeout = 5 * time.Minute

// Node returns the command node with these arguments, of Node 18 or later: the one on PATH, else one unpacked into the
// user's cache. Its environment is ours, with a PATH on which node and npm are found. The test fails, and is never
// skipped, when there is none to be had; the text says what to type.
func Node(ctx context.Context, tb TB, args ...string) *exec.Cmd {
	tb.Helper()
	programs := nodeOf(tb)
	cmd := exec.CommandContext(ctx, programs.node, args...)
	cmd.Env = append(os.Environ(), "PATH="+programs.path())
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// NodePath returns the value of PATH on which a shell finds node and npm. It fails the test as Node does.
func NodePath(tb TB) string {
	tb.Helper()
	return nodeOf(tb).path()
}

// NodeModules returns the folder node_modules for the package.json and package-lock.json in dir, to be linked beside
// the program that imports from it (os.Symlink, in a folder of the test's own). The first process of the machine that
// asks makes it with npm ci, from the registry that npm is set up for; the others find it in the user's cache, under the
// hash of both files, so that a changed lock file has a folder of its own. The packages' own scripts are not run. The
// folder is shared: nobody writes to it.
//
// The lock file names packages by version and hash alone when the .npmrc beside it says
// omit-lockfile-registry-resolved=true.
func NodeModules(tb TB, dir string) string {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), modulesTimeout)
	defer cancel()
	folder, err := machine.nodeModules(ctx, nodeOf(tb), dir)
	if err != nil {
		tb.Fatalf("install the modules of %s: %v", dir, err)
	}
	return folder
}

// machinesNode is looked for once in a process: the answer costs half a second.
var machinesNode struct {
	sync.Mutex
	found nodePrograms
}

func nodeOf(tb TB) nodePrograms {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	machinesNode.Lock()
	defer machinesNode.Unlock()
	if machinesNode.found != (nodePrograms{}) {
		return machinesNode.found
	}
	programs, err := machine.findNode(ctx)
	if err != nil {
		tb.Fatalf("%v", err)
		return programs
	}
	machinesNode.found = programs
	return programs
}

// nodeModules finds or makes the folder. One process of the machine works at a time, as with the copies.
func (p places) nodeModules(ctx context.Context, programs nodePrograms, dir string) (string, error) {
	files, key, err := readLock(dir)
	if err != nil {
		return "", err
	}
	cache, err := p.cache()
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	target := filepath.Join(cache, "node-modules-"+key)
	modules := filepath.Join(target, "node_modules")
	if isDir(modules) {
		return modules, nil
	}
	unlock, err := lockCache(ctx, cache)
	if err != nil {
		return "", err
	}
	defer unlock()
	if isDir(modules) {
		return modules, nil
	}
	fmt.Fprintf(p.announce, "devstack: npm ci for %s, into %s (once)\n", dir, target)
	return modules, install(ctx, programs, files, cache, target)
}

// readLock reads what npm ci reads, and names it by its hash.
func readLock(dir string) (files map[string][]byte, key string, err error) {
	files = map[string][]byte{}
	hash := sha256.New()
	for _, name := range []string{"package.json", "package-lock.json", ".npmrc"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) && name == ".npmrc" {
			continue
		}
		if err != nil {
			return nil, "", err
		}
		files[name] = text
		fmt.Fprintf(hash, "%s %d\n%s", name, len(text), text)
	}
	return files, fmt.Sprintf("%x", hash.Sum(nil)[:12]), nil
}

// install works in a folder beside the target and renames it there when npm is done: a killed process leaves something
// that nobody takes for a copy.
func install(ctx context.Context, programs nodePrograms, files map[string][]byte, cache, target string) error {
	work, err := os.MkdirTemp(cache, unfinished)
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(work, name), text, 0o644); err != nil {
			return err
		}
	}
	cmd := exec.CommandContext(ctx, programs.npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier")
	cmd.Dir, cmd.Env = work, append(os.Environ(), "PATH="+programs.path())
	cmd.WaitDelay = 5 * time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("npm ci: %w: %s", err, strings.TrimSpace(string(out)))
	}
	if !isDir(filepath.Join(work, "node_modules")) {
		return fmt.Errorf("npm ci made no node_modules: does package.json name no packages?")
	}
	if err := os.Chmod(work, 0o755); err != nil {
		return err
	}
	return os.Rename(work, target)
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
