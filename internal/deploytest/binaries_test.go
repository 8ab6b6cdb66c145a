package deploytest

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// built is what deploy/build has made, once for all tests. The folder goes after them.
var built struct {
	once   sync.Once
	folder string
	err    error
}

func build() {
	if built.folder, built.err = os.MkdirTemp("", "oprun-deploytest-"); built.err != nil {
		return
	}
	cmd := exec.Command("../../deploy/build", built.folder)
	cmd.Env = append(os.Environ(), "OPRUN_VCS=auto") // the tests also run in a folder that is no clone
	if said, err := cmd.CombinedOutput(); err != nil {
		built.err = fmt.Errorf("deploy/build: %w\n%s", err, said)
	}
}

// binary returns the path of one of our programs, built as it is shipped.
func binary(t *testing.T, name string) string {
	t.Helper()
	built.once.Do(build)
	if built.err != nil {
		t.Fatal(built.err)
	}
	return filepath.Join(built.folder, name)
}

// command is one of our programs in an environment of its own, in an empty folder.
func command(t *testing.T, env []string, words ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary(t, words[0]), words[1:]...)
	cmd.Env, cmd.Dir = append([]string{}, env...), t.TempDir()
	return cmd
}

// Nothing of the machine is in the binaries, and nothing of it is needed.
func TestBinariesAreStatic(t *testing.T) {
	t.Parallel()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"consumer", "publisher"} {
		text := read(t, binary(t, name))
		for _, clue := range []string{"/ld-linux", "/ld-musl"} {
			if strings.Contains(text, clue) {
				t.Errorf("%s is linked to a C library", name)
			}
		}
		if strings.Contains(text, root+"/pkg/") {
			t.Errorf("%s tells where it was built", name)
		}
	}
}

func TestBinariesTellWhatTheyAre(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"consumer", "publisher"} {
		out, err := command(t, nil, name, "--version", "--output", "json").Output()
		var version struct{ Name, Version, Revision, Go, Platform string }
		if err == nil {
			err = json.Unmarshal(out, &version)
		}
		if err != nil || version.Name != name || version.Version == "" || version.Go != runtime.Version() || version.Platform != runtime.GOOS+"/"+runtime.GOARCH {
			t.Errorf("%s: %+v (%s): %v", name, version, out, err)
		}
		// The go command stamps clones, but not worktrees, whose .git is a file.
		if info, err := os.Stat("../../.git"); err == nil && info.IsDir() && len(version.Revision) != 40 {
			t.Errorf("%s does not tell its commit: %s", name, out)
		}
	}
}
