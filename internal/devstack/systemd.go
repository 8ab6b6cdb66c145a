package devstack

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// The first systemd whose systemd-analyze judges a unit file without a running manager, in all that we ask of it.
const oldestSystemd = 252

const systemdHint = "type: put systemd-analyze, version 252 or later, on PATH (Debian: apt-get install systemd; it need not run)"

// systemdAnalyze is the program, and what an unpacked one needs in its environment.
type systemdAnalyze struct {
	path string
	env  []string
}

// SystemdAnalyze returns the command systemd-analyze with these arguments, of systemd 252 or later: the one on PATH, else
// one unpacked into the user's cache. The test fails, and is never skipped, when there is none to be had; the text says
// what to type.
func SystemdAnalyze(ctx context.Context, tb TB, args ...string) *exec.Cmd {
	tb.Helper()
	looking, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	found, err := machine.findSystemd(looking)
	if err != nil {
		tb.Fatalf("%v", err)
	}
	cmd := exec.CommandContext(ctx, found.path, args...)
	cmd.Env = append(os.Environ(), found.env...)
	return cmd
}

// findSystemd returns the program on PATH, or else a private copy's. The error is a *MissingError, or wraps the cause
// when ctx ends first.
func (p places) findSystemd(ctx context.Context) (found systemdAnalyze, err error) {
	missing := &MissingError{What: fmt.Sprintf("systemd-analyze %d or later", oldestSystemd)}
	found = systemdAnalyze{path: p.lookPath("systemd-analyze")}
	if found.path == "" {
		missing.look("PATH: no systemd-analyze")
	} else if err := found.probe(ctx); err == nil {
		return found, nil
	} else {
		missing.look("PATH: %v", err)
	}
	if ctx.Err() != nil {
		return found, fmt.Errorf("look for systemd-analyze: %w", context.Cause(ctx))
	}
	err = p.privateCopy(ctx, packaged{
		name: "systemd", folder: "systemd", hint: systemdHint, needs: isLibrary,
		choose: func(context.Context, *apt) (string, error) { return "systemd", nil },
		runs: func(ctx context.Context, tree string) error {
			found = systemdIn(tree)
			return found.probe(ctx)
		},
	}, missing)
	return found, err
}

// systemdIn is the program of an unpacked copy, with its libraries and with the units that others refer to.
func systemdIn(tree string) systemdAnalyze {
	libraries, _ := filepath.Glob(filepath.Join(tree, "usr/lib/*-linux-*/systemd")) // its own, beside the usual places
	if usual := libraryPath(tree); usual != "" {
		libraries = append(libraries, usual)
	}
	return systemdAnalyze{filepath.Join(tree, "usr/bin/systemd-analyze"), []string{
		"LD_LIBRARY_PATH=" + strings.Join(libraries, ":"),
		"SYSTEMD_UNIT_PATH=" + filepath.Join(tree, "usr/lib/systemd/system") + ":" + filepath.Join(tree, "lib/systemd/system"),
	}}
}

var systemdVersion = regexp.MustCompile(`^systemd (\d+)`)

func (s systemdAnalyze) probe(ctx context.Context) error {
	version, err := versionIn(ctx, s.path, s.env, systemdVersion)
	if err != nil {
		return err
	}
	if major, err := strconv.Atoi(version[0]); err != nil || major < oldestSystemd {
		return fmt.Errorf("%s is version %s, too old", s.path, version[0])
	}
	return nil
}
