package devstack

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// cacheDir is the folder for our own copies. Root's home is closed to the account that runs Postgres for root, and
// files of root in the home of the user behind a sudo would be in that user's way: root has the system's cache.
func cacheDir() (string, error) {
	if os.Geteuid() == 0 {
		return "/var/cache/oprun", nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "oprun"), nil
}

// packaged is what a package of the distribution holds and runs from the folder it is unpacked to.
type packaged struct {
	name   string // as people call it
	folder string // of our copy, in the cache
	hint   string // what to type when there is none to be had
	// choose names the package.
	choose func(context.Context, *apt) (string, error)
	// runs tries the programs of an unpacked copy.
	runs func(ctx context.Context, tree string) error
	// needs picks, of all that the package depends on, what comes along when the package alone does not run; nil: nothing.
	needs func(name string) bool
	// prepare makes an unpacked tree fit to run where it is; nil when it already does.
	prepare func(tree string) error
}

// privateCopy finds our own copy of what a package holds, and makes it when there is none. The last call of wanted.runs
// was then on that copy, and went well. OPRUN_NO_INSTALL forbids both, so that what a process finds does not depend on
// what an earlier one left behind.
func (p places) privateCopy(ctx context.Context, wanted packaged, missing *MissingError) error {
	missing.Hint = wanted.hint
	if p.installForbidden() {
		missing.look("OPRUN_NO_INSTALL forbids unpacking a private copy")
		missing.Hint = "type: unset OPRUN_NO_INSTALL (then a private copy is unpacked into the cache, and nothing is installed), or " +
			strings.TrimPrefix(wanted.hint, "type: ")
		return missing
	}
	cache, err := p.cache()
	if err == nil {
		err = os.MkdirAll(cache, 0o755)
	}
	if err != nil {
		missing.look("a private copy: no cache folder (XDG_CACHE_HOME may name one): %v", err)
		return missing
	}
	err = p.ownCopy(ctx, cache, wanted)
	if ctx.Err() != nil {
		return fmt.Errorf("unpack a private %s: %w", wanted.name, context.Cause(ctx))
	}
	if err != nil {
		missing.look("a private copy: %v", err)
		return missing
	}
	return nil
}

// installForbidden takes any value for a yes that does not plainly say no.
func (p places) installForbidden() bool {
	value := p.getenv("OPRUN_NO_INSTALL")
	forbidden, err := strconv.ParseBool(value)
	return value != "" && (forbidden || err != nil)
}

// ownCopy finds or makes the copy. One process of the machine works at a time; the others wait and find it made.
func (p places) ownCopy(ctx context.Context, cache string, wanted packaged) error {
	target := filepath.Join(cache, wanted.folder+"-"+runtime.GOARCH)
	if wanted.runs(ctx, target) == nil {
		return nil
	}
	unlock, err := lockCache(ctx, cache)
	if err != nil {
		return err
	}
	defer unlock()
	if wanted.runs(ctx, target) == nil {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	fmt.Fprintf(p.announce, "devstack: found no %s; unpacking the distribution's packages into %s (once; nothing is installed)\n", wanted.name, target)
	if err := p.makeCopy(ctx, cache, target, wanted); err != nil {
		return err
	}
	return wanted.runs(ctx, target)
}

// unfinished begins the name of a folder that becomes a copy.
const unfinished = "unfinished-"

// makeCopy builds the copy beside its place and renames it there once it has been seen to run: a killed process leaves
// something that nobody takes for a copy, and that the next one removes.
func (p places) makeCopy(ctx context.Context, cache, target string, wanted packaged) error {
	stale, _ := filepath.Glob(filepath.Join(cache, unfinished+"*"))
	for _, dir := range stale {
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	work, err := os.MkdirTemp(cache, unfinished)
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	tree := filepath.Join(work, "tree")
	// Whatever our umask, the account that runs the programs has to get in.
	if err := errors.Join(os.Mkdir(tree, 0o755), os.Chmod(cache, 0o755), os.Chmod(work, 0o755), os.Chmod(tree, 0o755)); err != nil {
		return err
	}
	if err := p.fill(ctx, work, tree, wanted); err != nil {
		return err
	}
	// A copy that was there no longer runs. It goes only now, and with the rest.
	if err := os.Rename(target, filepath.Join(work, "replaced")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Rename(tree, target)
}

// fill unpacks the package, and what it needs when it does not run without.
func (p places) fill(ctx context.Context, work, tree string, wanted packaged) error {
	apt, err := p.newApt(filepath.Join(work, "apt"))
	if err != nil {
		return err
	}
	// An unreachable third source must not keep us from what the others have: the next step judges.
	updateErr := apt.update(ctx)
	name, err := wanted.choose(ctx, apt)
	if err != nil {
		return errors.Join(err, updateErr)
	}
	if err := apt.unpack(ctx, tree, name); err != nil {
		return errors.Join(err, updateErr)
	}
	if err := wanted.try(ctx, tree); err == nil || wanted.needs == nil {
		return err
	}
	needed, err := apt.needs(ctx, name, wanted.needs)
	if err != nil {
		return err
	}
	if err := apt.unpack(ctx, tree, needed...); err != nil {
		return err
	}
	return wanted.try(ctx, tree)
}

func (w packaged) try(ctx context.Context, tree string) error {
	if w.prepare != nil {
		if err := w.prepare(tree); err != nil {
			return err
		}
	}
	return w.runs(ctx, tree)
}

// libraryPath lists the folders of a copy that hold libraries.
func libraryPath(tree string) string {
	var dirs []string
	for _, pattern := range []string{"usr/lib/*-linux-*", "lib/*-linux-*"} {
		found, _ := filepath.Glob(filepath.Join(tree, pattern))
		dirs = append(dirs, found...)
	}
	return strings.Join(dirs, ":")
}

// lockCache waits for the cache's lock. The kernel releases it when the process ends.
func lockCache(ctx context.Context, cache string) (unlock func(), err error) {
	file, err := os.OpenFile(filepath.Join(cache, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	retry := time.NewTicker(100 * time.Millisecond)
	defer retry.Stop()
	for {
		err := lock(file, syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = file.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errors.Join(err, file.Close())
		}
		select {
		case <-retry.C:
		case <-ctx.Done():
			return nil, errors.Join(context.Cause(ctx), file.Close())
		}
	}
}
