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
	"time"
)

// The first Prometheus that understands what we write for it (keep_firing_for).
const oldestPrometheus = "2.42"

const prometheusHint = "type: put prometheus and promtool, version " + oldestPrometheus + " or later, on PATH " +
	"(Debian: apt-get install prometheus; macOS: brew install prometheus)"

// prometheusPrograms are the server and its tool, of one installation.
type prometheusPrograms struct{ server, promtool string }

// findPrometheus returns the programs on PATH, or else a private copy. The error is a *MissingError, or wraps the
// cause when ctx ends first.
func (p places) findPrometheus(ctx context.Context) (found prometheusPrograms, err error) {
	missing := &MissingError{What: "Prometheus " + oldestPrometheus + " or later"}
	found = prometheusPrograms{p.lookPath("prometheus"), p.lookPath("promtool")}
	if found.server == "" || found.promtool == "" {
		missing.look("PATH: it has not both prometheus and promtool")
	} else if err := found.probe(ctx); err == nil {
		return found, nil
	} else {
		missing.look("PATH: %v", err)
	}
	if ctx.Err() != nil {
		return found, fmt.Errorf("look for Prometheus: %w", context.Cause(ctx))
	}
	err = p.privateCopy(ctx, packaged{
		name: "Prometheus", folder: "prometheus", hint: prometheusHint,
		choose: func(context.Context, *apt) (string, error) { return "prometheus", nil },
		runs: func(ctx context.Context, tree string) error {
			bin := filepath.Join(tree, "usr", "bin")
			found = prometheusPrograms{filepath.Join(bin, "prometheus"), filepath.Join(bin, "promtool")}
			return found.probe(ctx)
		},
	}, missing)
	return found, err
}

func (b prometheusPrograms) probe(ctx context.Context) error {
	for _, program := range []string{b.server, b.promtool} {
		if err := probePrometheus(ctx, program); err != nil {
			return err
		}
	}
	return nil
}

var prometheusVersion = regexp.MustCompile(`, version (\d+)\.(\d+)\.`)

func probePrometheus(ctx context.Context, program string) error {
	version, err := versionIn(ctx, program, nil, prometheusVersion)
	if err != nil {
		return err
	}
	if olderVersion(version, strings.Split(oldestPrometheus, ".")) {
		return fmt.Errorf("%s is version %s.%s, too old", program, version[0], version[1])
	}
	return nil
}

// versionIn runs a program with --version, with this beside our own environment, and returns what the pattern's groups find.
func versionIn(ctx context.Context, program string, env []string, pattern *regexp.Regexp) ([]string, error) {
	if _, err := os.Stat(program); err != nil {
		return nil, fmt.Errorf("there is no %s", program)
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "--version")
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("%s does not run: %w: %s", program, err, strings.TrimSpace(string(out)))
	}
	version := pattern.FindStringSubmatch(string(out))
	if version == nil {
		return nil, fmt.Errorf("%s has no version that can be read", program)
	}
	return version[1:], nil
}

// olderVersion compares versions number by number.
func olderVersion(version, than []string) bool {
	for i := range than {
		a, _ := strconv.Atoi(version[i])
		b, _ := strconv.Atoi(than[i])
		if a != b {
			return a < b
		}
	}
	return false
}
