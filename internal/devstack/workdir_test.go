package devstack

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"testing"
)

func TestSweep(t *testing.T) {
	t.Parallel()
	t.Run("takes the folder of a killed process and leaves that of a living one", func(t *testing.T) {
		t.Parallel()
		tmp := tempFolder(t)
		dead, living := act(t, "own a folder", tmp), act(t, "own a folder", tmp)
		deadDir, livingDir := dead.line(t), living.line(t)
		dead.kill()
		sweep(tmp)
		if exists(deadDir) || !exists(livingDir) {
			t.Errorf("dead owner's folder exists: %t, living owner's: %t", exists(deadDir), exists(livingDir))
		}
	})
	t.Run("leaves a folder that its living maker has not owned yet", func(t *testing.T) {
		t.Parallel()
		tmp := tempFolder(t)
		young := filepath.Join(tmp, fmt.Sprintf("%s%d-1", dirPrefix, os.Getpid()))
		if err := os.Mkdir(young, 0o700); err != nil {
			t.Fatal(err)
		}
		sweep(tmp)
		if !exists(young) {
			t.Error("it is gone")
		}
	})
	t.Run("takes a folder whose maker died before owning it", func(t *testing.T) {
		t.Parallel()
		tmp := tempFolder(t)
		gone := act(t, "own a folder", tmp)
		gone.line(t)
		gone.kill()
		unowned := filepath.Join(tmp, fmt.Sprintf("%s%d-1", dirPrefix, gone.cmd.Process.Pid))
		if err := os.Mkdir(unowned, 0o700); err != nil {
			t.Fatal(err)
		}
		sweep(tmp)
		wantEmpty(t, tmp)
	})
	t.Run("does not follow a link", func(t *testing.T) {
		t.Parallel()
		tmp, precious := tempFolder(t), t.TempDir()
		if err := os.Symlink(precious, filepath.Join(tmp, dirPrefix+"1-1")); err != nil {
			t.Fatal(err)
		}
		sweep(tmp)
		if !exists(precious) {
			t.Error("it is gone")
		}
	})
}

func TestSweepNeverTakesAFolderFromUnderAParallelStart(t *testing.T) {
	t.Parallel()
	tmp := tempFolder(t)
	var starts sync.WaitGroup
	for range 16 {
		starts.Go(func() {
			for range 20 {
				dir, err := makeWorkdir(tmp)
				if err != nil {
					t.Error(err)
					return
				}
				if !exists(ownerFile(dir.path)) {
					t.Errorf("%s was swept", dir.path)
				}
				if err := dir.remove(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	starts.Wait()
	wantEmpty(t, tmp)
}

func TestPostgresDiesWithItsParent(t *testing.T) {
	t.Parallel()
	tmp := tempFolder(t)
	parent := act(t, "run postgres", tmp)
	dir := parent.line(t)
	server, err := strconv.Atoi(parent.line(t))
	if err != nil {
		t.Fatal(err)
	}
	parent.kill()
	if runtime.GOOS == "linux" {
		eventually(t, "the server ends after its parent was killed", func() bool { return !alive(server) })
	}
	sweep(tmp)
	if alive(server) || exists(dir) {
		t.Errorf("after the sweep: server alive %t, folder exists %t", alive(server), exists(dir))
	}
}
