package devstack

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// apt asks the machine's package sources, with lists and cache in a folder of its own: nothing of the machine changes,
// and no rights are needed. Packages are checked against the machine's keys, as always.
type apt struct {
	dir                    string
	env                    []string
	aptGet, aptCache, dpkg string
}

// aptConfig is read after the machine's own settings (proxies and the like), which it keeps but for these.
const aptConfig = `// Hooks would empty the machine's cache and talk to its services.
#clear APT::Update;
// What is installed here is no reason to want another version than the sources have.
Dir::State::status "%[1]s/status";
Dir::State::lists "%[1]s/lists/";
Dir::Cache "%[1]s/cache/";
// Root would read and write as another user, who may not enter this folder.
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::Retries "2";
`

func (p places) newApt(dir string) (*apt, error) {
	a := &apt{dir: dir}
	for name, path := range map[string]*string{"apt-get": &a.aptGet, "apt-cache": &a.aptCache, "dpkg-deb": &a.dpkg} {
		if *path = p.lookPath(name); *path == "" {
			return nil, fmt.Errorf("only Debian and its relatives have one to unpack, and here is no %s", name)
		}
	}
	for _, needed := range []string{"lists/partial", "cache/archives/partial", "packages"} {
		if err := os.MkdirAll(filepath.Join(dir, needed), 0o755); err != nil {
			return nil, err
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "status"), nil, 0o644); err != nil {
		return nil, err
	}
	first, last := filepath.Join(dir, "first.conf"), filepath.Join(dir, "last.conf")
	settings := fmt.Sprintf(aptConfig, dir)
	if main := "/etc/apt/apt.conf"; isFile(main) {
		settings = fmt.Sprintf("#include %q;\n", main) + settings // ours takes its place, so it reads it
	}
	if err := os.WriteFile(last, []byte(settings), 0o644); err != nil {
		return nil, err
	}
	if err := os.WriteFile(first, fmt.Appendf(nil, "Dir::Etc::main %q;\n", last), 0o644); err != nil {
		return nil, err
	}
	a.env = append(os.Environ(), "APT_CONFIG="+first, "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive")
	return a, nil
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

func (a *apt) update(ctx context.Context) error {
	_, err := a.run(ctx, a.aptGet, "-q", "update")
	return err
}

// newestServer is the name of the newest PostgreSQL server that the sources have, for example postgresql-17.
func newestServer(ctx context.Context, a *apt) (string, error) {
	const prefix = "postgresql-"
	out, err := a.run(ctx, a.aptCache, "pkgnames", prefix)
	if err != nil {
		return "", err
	}
	newest := 0
	for name := range strings.Lines(out) {
		if major, err := strconv.Atoi(strings.TrimPrefix(strings.TrimSpace(name), prefix)); err == nil {
			newest = max(newest, major)
		}
	}
	switch {
	case newest == 0:
		return "", fmt.Errorf("the package sources have no PostgreSQL")
	case newest < oldestMajor:
		return "", fmt.Errorf("the newest PostgreSQL of the package sources is %d", newest)
	}
	return prefix + strconv.Itoa(newest), nil
}

// needs lists the packages that a package needs, at any depth, as far as they are wanted.
func (a *apt) needs(ctx context.Context, of string, wanted func(name string) bool) ([]string, error) {
	out, err := a.run(ctx, a.aptCache, "depends", "--recurse", "--no-recommends", "--no-suggests", "--no-conflicts",
		"--no-breaks", "--no-replaces", "--no-enhances", of)
	if err != nil {
		return nil, err
	}
	needs := parseDepends(out)
	found := map[string]bool{}
	for queue := []string{of}; len(queue) > 0; queue = queue[1:] {
		for _, name := range needs[queue[0]] {
			if wanted(name) && !found[name] {
				found[name] = true
				queue = append(queue, name)
			}
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%s names no libraries", of)
	}
	return slices.Sorted(maps.Keys(found)), nil
}

// isLibrary tells packages of shared libraries. The C library stays the machine's: two of them in one process do not
// work. The compiler's library is for JIT alone, and large.
func isLibrary(name string) bool {
	return strings.HasPrefix(name, "lib") && name != "libc6" && !strings.HasPrefix(name, "libllvm") && !strings.HasPrefix(name, "libperl")
}

// parseDepends reads what apt-cache depends prints: a package, then its needs, indented. A name in angle brackets is
// virtual; those who provide it follow, indented further, and are taken in its place.
func parseDepends(out string) map[string][]string {
	needs := map[string][]string{}
	var current string
	for line := range strings.Lines(out) {
		line = strings.TrimRight(line, "\n")
		if line != "" && !strings.HasPrefix(line, " ") && !strings.HasPrefix(line, "|") {
			current = line
			continue
		}
		_, name, need := strings.Cut(line, "epends: ")
		provider := strings.HasPrefix(line, "    ")
		if provider {
			name = strings.TrimSpace(line)
		}
		if (need || provider) && !strings.HasPrefix(name, "<") {
			needs[current] = append(needs[current], name)
		}
	}
	return needs
}

// unpack downloads packages and unpacks them into tree, without running anything they contain.
func (a *apt) unpack(ctx context.Context, tree string, packages ...string) error {
	if _, err := a.run(ctx, a.aptGet, append([]string{"-q", "download"}, packages...)...); err != nil {
		return err
	}
	files, _ := filepath.Glob(filepath.Join(a.packages(), "*.deb"))
	for _, file := range files {
		if _, err := a.run(ctx, a.dpkg, "-x", file, tree); err != nil {
			return err
		}
		if err := os.Remove(file); err != nil {
			return err
		}
	}
	return nil
}

func (a *apt) packages() string { return filepath.Join(a.dir, "packages") }

// run runs a program that dies with us, in the folder that downloads go to, and returns what it printed.
func (a *apt) run(ctx context.Context, program string, args ...string) (string, error) {
	cmd := exec.Command(program, args...)
	cmd.Dir, cmd.Env = a.packages(), a.env
	var stdout bytes.Buffer
	stderr := &logTail{}
	cmd.Stdout, cmd.Stderr = &stdout, stderr
	process, err := startChild(cmd, account{}, syscall.SIGKILL)
	if err == nil {
		err = process.wait(ctx)
	}
	if err != nil {
		name := strings.Join(append([]string{filepath.Base(program)}, args[:min(2, len(args))]...), " ")
		return "", fmt.Errorf("%s: %w: %s", name, err, cmp.Or(stderr.String(), "it said nothing"))
	}
	return stdout.String(), nil
}
