package devstack

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// oldestMajor is the first PostgreSQL that the schema runs on.
const oldestMajor = 15

// places is where PostgreSQL's programs may be.
type places struct {
	getenv func(string) string
	// system holds patterns of folders that packages install to.
	system []string
	// cache is the folder that our own copy is unpacked to.
	cache func() (string, error)
	// announce gets the line that says so.
	announce io.Writer
}

// machine is the places of the machine we run on. Tests look in places of their own.
var machine = places{
	getenv: os.Getenv,
	system: []string{
		"/usr/lib/postgresql/*/bin",
		"/usr/pgsql-*/bin",
		"/opt/homebrew/opt/postgresql@*/bin",
		"/usr/local/opt/postgresql@*/bin",
		"/usr/local/pgsql/bin",
	},
	cache:    cacheDir,
	announce: os.Stderr,
}

// binaries is one usable installation of PostgreSQL.
type binaries struct {
	dir   string
	major int
	// env is what its programs need to find their libraries; empty for an installed one.
	env []string
}

// find returns the first usable installation in this order: OPRUN_PG_BIN and nothing else when it is set, PATH,
// pg_config, the system's folders (highest version), a copy of our own. The error is a *MissingError, or wraps the
// cause when ctx ends first.
func (p places) find(ctx context.Context, as account) (binaries, error) {
	missing := &MissingError{What: fmt.Sprintf("PostgreSQL %d or later", oldestMajor)}
	if dir := p.getenv("OPRUN_PG_BIN"); dir != "" {
		found, err := probe(ctx, dir, nil, as)
		if err != nil {
			missing.look("OPRUN_PG_BIN: %v", err)
			missing.Hint = "type: export OPRUN_PG_BIN=<a folder with postgres and initdb, version 15 or later>, or unset it"
			return binaries{}, missing
		}
		return found, nil
	}
	missing.look("OPRUN_PG_BIN is not set")
	for _, look := range []func(context.Context, account, *MissingError) (binaries, bool){p.onPath, p.byConfig, p.installed} {
		if found, ok := look(ctx, as, missing); ok {
			return found, nil
		}
	}
	// Nothing runs under a context that has ended, so nothing is known to be missing.
	if ctx.Err() != nil {
		return binaries{}, fmt.Errorf("look for PostgreSQL: %w", context.Cause(ctx))
	}
	return p.unpacked(ctx, as, missing)
}

// onPath follows links: a lone initdb on PATH often points into the folder that has the rest.
func (p places) onPath(ctx context.Context, as account, missing *MissingError) (binaries, bool) {
	for _, name := range []string{"postgres", "initdb", "pg_ctl"} {
		program := p.lookPath(name)
		if program == "" {
			continue
		}
		found, err := probe(ctx, filepath.Dir(program), nil, as)
		if err == nil {
			return found, true
		}
		missing.look("PATH: %s: %v", name, err)
	}
	missing.look("PATH: no usable postgres, initdb or pg_ctl")
	return binaries{}, false
}

func (p places) byConfig(ctx context.Context, as account, missing *MissingError) (binaries, bool) {
	program := p.lookPath("pg_config")
	if program == "" {
		missing.look("pg_config is not on PATH")
		return binaries{}, false
	}
	out, err := exec.CommandContext(ctx, program, "--bindir").Output()
	if err != nil {
		missing.look("pg_config --bindir: %v", err)
		return binaries{}, false
	}
	found, err := probe(ctx, strings.TrimSpace(string(out)), nil, as)
	if err != nil {
		missing.look("pg_config --bindir: %v", err)
	}
	return found, err == nil
}

func (p places) installed(ctx context.Context, as account, missing *MissingError) (binaries, bool) {
	var all []binaries
	for _, pattern := range p.system {
		dirs, _ := filepath.Glob(pattern)
		for _, dir := range dirs {
			found, err := probe(ctx, dir, nil, as)
			if err != nil {
				missing.look("%v", err)
				continue
			}
			all = append(all, found)
		}
	}
	if len(all) == 0 {
		missing.look("nothing usable in %s", strings.Join(p.system, ", "))
		return binaries{}, false
	}
	return slices.MaxFunc(all, func(a, b binaries) int { return cmp.Compare(a.major, b.major) }), true
}

const installHint = "type: export OPRUN_PG_BIN=<a folder with postgres and initdb, version 15 or later>, or install PostgreSQL " +
	"(Debian: apt-get install postgresql; macOS: brew install postgresql@17)"

// unpacked returns our own copy of the distribution's PostgreSQL, and makes it when there is none.
func (p places) unpacked(ctx context.Context, as account, missing *MissingError) (found binaries, err error) {
	err = p.privateCopy(ctx, packaged{
		name: "PostgreSQL", folder: "postgresql", hint: installHint, choose: newestServer, needs: isLibrary,
		runs: func(ctx context.Context, tree string) (err error) {
			found, err = probeTree(ctx, tree, as)
			return err
		},
	}, missing)
	return found, err
}

// lookPath is exec.LookPath on this PATH, with links resolved; empty when there is none.
func (p places) lookPath(name string) string {
	for _, dir := range filepath.SplitList(p.getenv("PATH")) {
		path, err := exec.LookPath(filepath.Join(cmp.Or(dir, "."), name))
		if err != nil {
			continue
		}
		if resolved, err := filepath.EvalSymlinks(path); err == nil {
			return resolved
		}
	}
	return ""
}

var versionPattern = regexp.MustCompile(`\(PostgreSQL\) (\d+)`)

// probe runs what dir holds, as the account that will run it: a folder that it cannot enter is of no use.
func probe(ctx context.Context, dir string, env []string, as account) (binaries, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return binaries{}, err
	}
	var version string
	for _, name := range []string{"initdb", "postgres"} {
		program := filepath.Join(dir, name)
		if _, err := os.Stat(program); err != nil {
			return binaries{}, fmt.Errorf("%s has no %s", dir, name)
		}
		if version, err = programVersion(ctx, program, env, as); err != nil {
			return binaries{}, fmt.Errorf("%s does not run as %s: %w", program, as.name, err)
		}
	}
	match := versionPattern.FindStringSubmatch(version)
	if match == nil {
		return binaries{}, fmt.Errorf("%s has no version that can be read", dir)
	}
	major, err := strconv.Atoi(match[1])
	if err != nil || major < oldestMajor {
		return binaries{}, fmt.Errorf("%s is version %s, too old", dir, match[1])
	}
	return binaries{dir: dir, major: major, env: env}, nil
}

// probeTree probes an unpacked copy: on the machine's libraries, and if that fails on the copy's own.
func probeTree(ctx context.Context, tree string, as account) (binaries, error) {
	dirs, _ := filepath.Glob(filepath.Join(tree, "usr/lib/postgresql/*/bin"))
	if len(dirs) == 0 {
		return binaries{}, fmt.Errorf("no PostgreSQL in %s", tree)
	}
	dir := dirs[len(dirs)-1]
	found, err := probe(ctx, dir, nil, as)
	if err == nil {
		return found, nil
	}
	libraries := libraryPath(tree)
	if libraries == "" {
		return binaries{}, err
	}
	return probe(ctx, dir, []string{"LD_LIBRARY_PATH=" + libraries}, as)
}

func programVersion(ctx context.Context, program string, env []string, as account) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "--version")
	// PostgreSQL's programs ask for their working directory, and ours may be closed to the account.
	cmd.Dir = "/"
	cmd.Env = serverEnv(env)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as.credential}
	out, err := cmd.CombinedOutput()
	if text := strings.TrimSpace(string(out)); err != nil && text != "" {
		return "", fmt.Errorf("%w: %s", err, text)
	}
	return string(out), err
}

// serverEnv is the whole environment of PostgreSQL's programs: with the caller's, a PGDATA, PGOPTIONS or locale of
// the user would decide how a private cluster behaves.
func serverEnv(extra []string) []string {
	return append([]string{"PATH=/usr/bin:/bin", "LC_ALL=C", "TZ=UTC"}, extra...)
}
