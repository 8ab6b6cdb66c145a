package devstack

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// dirPrefix begins the name of every temporary folder of this package; the owner's pid follows.
const dirPrefix = "oprun-dev-"

// workdir is a temporary folder owned by this process. Its owner file stays locked for as long as the process lives:
// the kernel releases the lock however the process ends, so a free lock means a dead owner, which a pid alone would
// not (pids are reused).
type workdir struct {
	path  string
	owner *os.File
}

// makeWorkdir creates a folder under parent (empty: os.TempDir), after it has swept what killed processes left there.
func makeWorkdir(parent string) (*workdir, error) {
	parent, err := filepath.Abs(cmp.Or(parent, os.TempDir()))
	if err != nil {
		return nil, fmt.Errorf("find the temporary folder: %w", err)
	}
	sweep(parent)
	path, err := os.MkdirTemp(parent, fmt.Sprintf("%s%d-", dirPrefix, os.Getpid()))
	if err != nil {
		return nil, fmt.Errorf("make a temporary folder: %w", err)
	}
	owner, err := claimDir(path)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(path))
	}
	return &workdir{path: path, owner: owner}, nil
}

// claimDir writes the owner file. It gets its name only when it is locked already: a sweeper that saw it before that
// would take the lock and the folder with it.
func claimDir(path string) (*os.File, error) {
	// The account that runs Postgres may pass through, but not look around.
	if err := os.Chmod(path, 0o711); err != nil {
		return nil, fmt.Errorf("open a temporary folder: %w", err)
	}
	unnamed := ownerFile(path) + ".new"
	owner, err := os.OpenFile(unnamed, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("own a temporary folder: %w", err)
	}
	_, err = fmt.Fprintln(owner, os.Getpid())
	if err == nil {
		err = lock(owner, syscall.LOCK_EX|syscall.LOCK_NB)
	}
	if err == nil {
		err = os.Rename(unnamed, ownerFile(path))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("own a temporary folder: %w", err), owner.Close())
	}
	return owner, nil
}

// remove deletes the folder and gives up the lock. A second call does nothing.
func (d *workdir) remove() error {
	err := os.RemoveAll(d.path)
	_ = d.owner.Close() // only ever held for its lock; closed twice is fine
	if err != nil {
		return fmt.Errorf("remove a temporary folder: %w", err)
	}
	return nil
}

// sweep removes the folders under parent whose owners are dead. What cannot be removed is left to the next start: a
// sweep that fails must not keep anybody from starting.
func sweep(parent string) {
	dirs, _ := filepath.Glob(filepath.Join(parent, dirPrefix+"*"))
	for _, dir := range dirs {
		sweepDir(dir)
	}
}

func sweepDir(dir string) {
	// Root must not be talked into signalling a pid, or removing files, by a folder that somebody else prepared.
	if !ownedByUs(dir) {
		return
	}
	owner, err := os.OpenFile(ownerFile(dir), os.O_RDWR, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		// Not owned yet, or half removed: the name has carried the pid from the first moment.
		if alive(pidInName(dir)) {
			return
		}
	case err != nil:
		return
	default:
		defer owner.Close()
		if lock(owner, syscall.LOCK_EX|syscall.LOCK_NB) != nil {
			return
		}
	}
	endCluster(dir)
	_ = os.RemoveAll(dir)
}

func ownerFile(dir string) string { return filepath.Join(dir, "owner") }

func ownedByUs(path string) bool {
	info, err := os.Lstat(path)
	if err != nil || !info.IsDir() {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Geteuid()
}

// pidInName reads the pid out of oprun-dev-<pid>-<random>; 0 when there is none.
func pidInName(dir string) int {
	digits, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), dirPrefix), "-")
	pid, err := strconv.Atoi(digits)
	if err != nil {
		return 0
	}
	return pid
}

// alive tells whether a process with this pid runs, ours or not.
func alive(pid int) bool {
	return pid > 0 && !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) && !zombie(pid)
}

// lock is flock(2) that goes on after signals.
func lock(f *os.File, how int) error {
	for {
		err := syscall.Flock(int(f.Fd()), how)
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}
