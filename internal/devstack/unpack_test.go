package devstack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// distribution is a machine without PostgreSQL whose package tools are scripts. They obey:
//
//	sources       what apt-cache pkgnames prints
//	depends       what apt-cache depends prints
//	needs-libs    when it exists, the server runs only once a library package is unpacked, too
//	broken        when it exists, dpkg-deb fails
//
// and write the name of every downloaded package to log.
func distribution(t *testing.T) (string, places) {
	t.Helper()
	dir := t.TempDir()
	program(t, filepath.Join(dir, "apt-get"), fmt.Sprintf(`
test "$2" = download || exit 0
shift 2
for package; do echo "$package" >> %[1]s/log; touch "$package.deb"; done`, dir))
	program(t, filepath.Join(dir, "apt-cache"), fmt.Sprintf(`
test "$1" = pkgnames && exec cat %[1]s/sources
exec cat %[1]s/depends`, dir))
	program(t, filepath.Join(dir, "dpkg-deb"), fmt.Sprintf(`
test -e %[1]s/broken && { echo "not a package" >&2; exit 2; }
case "$2" in
*/lib*) mkdir -p "$3/usr/lib/x86_64-linux-gnu"; exit 0;;
*/prometheus.deb)
	mkdir -p "$3/usr/bin"
	for name in prometheus promtool; do
		printf '#!/bin/sh\necho "%%s, version 2.42.0+ds"\n' $name > "$3/usr/bin/$name"
		chmod +x "$3/usr/bin/$name"
	done
	exit 0;;
*/npm.deb|*/node-*.deb) exit 0;;
*/nodejs.deb)
	mkdir -p "$3/usr/bin" "$3/usr/share/nodejs"
	printf '#!/bin/sh\ncase "$1" in *npm-cli.js) echo 9.2.0;; *) echo v18.20.4;; esac\n' > "$3/usr/bin/node"
	chmod +x "$3/usr/bin/node"
	exit 0;;
*/systemd.deb)
	mkdir -p "$3/usr/bin"
	printf '#!/bin/sh\necho "systemd 252 (252.38-1)"\n' > "$3/usr/bin/systemd-analyze"
	chmod +x "$3/usr/bin/systemd-analyze"
	exit 0;;
esac
bin="$3/usr/lib/postgresql/16/bin"
mkdir -p "$bin"
for name in initdb postgres; do
	echo "#!/bin/sh" > "$bin/$name"
	test -e %[1]s/needs-libs && echo 'test -n "$LD_LIBRARY_PATH" || exit 127' >> "$bin/$name"
	echo "echo '$name (PostgreSQL) 16.3'" >> "$bin/$name"
	chmod +x "$bin/$name"
done`, dir))
	write(t, dir, "sources", "postgresql-common\npostgresql-9\npostgresql-16\npostgresql-16-cron\n")
	cache := filepath.Join(dir, "cache", "oprun")
	return dir, places{
		getenv:   environment(map[string]string{"PATH": dir + ":/usr/bin:/bin"}),
		cache:    func() (string, error) { return cache, nil },
		announce: io.Discard,
	}
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// downloads lists what was downloaded.
func downloads(t *testing.T, dir string) []string {
	t.Helper()
	log, err := os.ReadFile(filepath.Join(dir, "log"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return strings.Fields(string(log))
}

// unpacked asks for the copy, past whatever is installed here.
func unpacked(t *testing.T, p places) (binaries, error) {
	t.Helper()
	return p.unpacked(t.Context(), oneself, &MissingError{})
}

func TestUnpack(t *testing.T) {
	t.Parallel()
	t.Run("happens once for many at the same time", func(t *testing.T) {
		t.Parallel()
		dir, p := distribution(t)
		var announced bytes.Buffer
		p.announce = &announced
		var askers sync.WaitGroup
		for range 8 {
			askers.Go(func() {
				if found, err := unpacked(t, p); err != nil || found.major != 16 || found.env != nil {
					t.Errorf("found %+v (%v)", found, err)
				}
			})
		}
		askers.Wait()
		if got := downloads(t, dir); !slices.Equal(got, []string{"postgresql-16"}) {
			t.Errorf("downloaded %q", got)
		}
		if lines := announced.String(); strings.Count(lines, "\n") != 1 || !strings.Contains(lines, "unpacking") {
			t.Errorf("announced %q", lines)
		}
		left, _ := filepath.Glob(filepath.Join(dir, "cache/oprun/unfinished-*"))
		if len(left) > 0 {
			t.Errorf("left behind: %q", left)
		}
	})
	t.Run("brings the libraries that the machine lacks", func(t *testing.T) {
		t.Parallel()
		dir, p := distribution(t)
		write(t, dir, "needs-libs", "")
		write(t, dir, "depends", "postgresql-16\n  Depends: libpq5\n  Depends: perl\nlibpq5\n  Depends: libc6\n")
		found, err := unpacked(t, p)
		if err != nil || len(found.env) != 1 || !strings.HasPrefix(found.env[0], "LD_LIBRARY_PATH="+dir) {
			t.Errorf("found %+v (%v)", found, err)
		}
		if got := downloads(t, dir); !slices.Equal(got, []string{"postgresql-16", "libpq5"}) {
			t.Errorf("downloaded %q", got)
		}
	})
}

func TestUnpackAfterAnEarlierOne(t *testing.T) {
	t.Parallel()
	t.Run("what a killed process left is no copy, and goes", func(t *testing.T) {
		t.Parallel()
		dir, p := distribution(t)
		unfinished := filepath.Join(dir, "cache/oprun/unfinished-1")
		installation(t, filepath.Join(unfinished, "tree/usr/lib/postgresql/16/bin"), 16)
		if _, err := unpacked(t, p); err != nil {
			t.Fatal(err)
		}
		if exists(unfinished) || len(downloads(t, dir)) != 1 {
			t.Errorf("unfinished copy exists: %t, downloads: %q", exists(unfinished), downloads(t, dir))
		}
	})
	t.Run("a copy that no longer runs is made again", func(t *testing.T) {
		t.Parallel()
		dir, p := distribution(t)
		found, err := unpacked(t, p)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(filepath.Join(found.dir, "initdb")); err != nil {
			t.Fatal(err)
		}
		if again, err := unpacked(t, p); err != nil || again.dir != found.dir || len(downloads(t, dir)) != 2 {
			t.Errorf("found %+v (%v), downloads: %q", again, err, downloads(t, dir))
		}
	})
	t.Run("a copy is not used where unpacking is forbidden", func(t *testing.T) {
		t.Parallel()
		_, p := distribution(t)
		if _, err := unpacked(t, p); err != nil {
			t.Fatal(err)
		}
		p.getenv = environment(map[string]string{"OPRUN_NO_INSTALL": "1"})
		if found, err := unpacked(t, p); err == nil {
			t.Errorf("found %+v", found)
		}
	})
}

func TestUnpackFailures(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		files map[string]string
		words string
	}{
		"a broken package":            {map[string]string{"broken": ""}, "not a package"},
		"sources without PostgreSQL":  {map[string]string{"sources": "postgresql-common\n"}, "have no PostgreSQL"},
		"sources too old":             {map[string]string{"sources": "postgresql-13\n"}, "PostgreSQL of the package sources is 13"},
		"libraries that nobody names": {map[string]string{"needs-libs": "", "depends": ""}, "names no libraries"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, p := distribution(t)
			for file, text := range maps.All(test.files) {
				write(t, dir, file, text)
			}
			_, err := unpacked(t, p)
			if missing, ok := errors.AsType[*MissingError](err); !ok || !strings.Contains(err.Error(), test.words) || missing.Hint == "" {
				t.Errorf("got %v", err)
			}
			entries, _ := filepath.Glob(filepath.Join(dir, "cache/oprun/*"))
			if len(entries) != 1 { // the lock
				t.Errorf("left behind: %q", entries)
			}
		})
	}
	t.Run("a cancel is no missing PostgreSQL and touches no copy", func(t *testing.T) {
		t.Parallel()
		dir, p := distribution(t)
		if _, err := unpacked(t, p); err != nil {
			t.Fatal(err)
		}
		errStop := errors.New("interrupt")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errStop)
		for name, look := range map[string]func() (binaries, error){
			"find":     func() (binaries, error) { return p.find(ctx, oneself) },
			"unpacked": func() (binaries, error) { return p.unpacked(ctx, oneself, &MissingError{}) },
		} {
			_, err := look()
			if _, ok := errors.AsType[*MissingError](err); ok || !errors.Is(err, errStop) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := unpacked(t, p); err != nil || len(downloads(t, dir)) != 1 {
			t.Errorf("downloads: %q (%v)", downloads(t, dir), err)
		}
	})
}

func TestParseDepends(t *testing.T) {
	t.Parallel()
	//nolint:dupword // as apt-cache writes it
	out := `postgresql-15
  Depends: postgresql-client-15
  Depends: <debconf-2.0>
    debconf
 |Depends: libssl3
  PreDepends: libpq5
libpq5
  Depends: libldap-2.5-0
<debconf-2.0>
`
	want := map[string][]string{
		"postgresql-15": {"postgresql-client-15", "debconf", "libssl3", "libpq5"},
		"libpq5":        {"libldap-2.5-0"},
	}
	if diff := cmp.Diff(want, parseDepends(out)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// The real thing, on systems that have it: there is nothing to unpack without Debian's tools.
func TestUnpackFromTheDistribution(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("apt-get"); err != nil {
		t.Skip("this system has no apt-get")
	}
	cache := tempFolder(t)
	as, err := serverAccount()
	if err != nil {
		t.Fatal(err)
	}
	p := places{
		getenv:   environment(map[string]string{"PATH": "/usr/bin:/bin"}),
		cache:    func() (string, error) { return cache, nil },
		announce: io.Discard,
	}
	bin, err := p.unpacked(t.Context(), as, &MissingError{})
	if err != nil {
		t.Fatal(err)
	}
	dir, err := makeWorkdir("")
	if err != nil {
		t.Fatal(err)
	}
	postgres := &Postgres{dir: dir, cluster: newCluster(PostgresConfig{}, dir.path, bin, as)}
	t.Cleanup(func() { _ = postgres.Close() })
	if err := errors.Join(postgres.cluster.init(t.Context()), postgres.Restart(t.Context())); err != nil {
		t.Fatal(err)
	}
	if version := query[int](t, connect(t, postgres.URL("postgres")), "SELECT current_setting('server_version_num')::int / 10000"); version != bin.major {
		t.Errorf("version %d, want %d", version, bin.major)
	}
}
