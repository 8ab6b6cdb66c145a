package devstack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
)

// The first Node that the clients we try oprun with run on.
const oldestNode = 18

const nodeHint = "type: put node, version 18 or later, and npm on PATH (Debian: apt-get install nodejs npm; macOS: brew install node)"

// nodePrograms are Node and its package manager.
type nodePrograms struct {
	node, npm string
	// bin goes before PATH, so that commands find them; empty when they are found there already.
	bin string
}

// findNode returns the programs on PATH, or else a private copy. The error is a *MissingError, or wraps the cause when
// ctx ends first.
func (p places) findNode(ctx context.Context) (found nodePrograms, err error) {
	missing := &MissingError{What: fmt.Sprintf("Node %d or later, with npm,", oldestNode)}
	found = nodePrograms{node: p.lookPath("node"), npm: p.lookPath("npm")}
	if found.node == "" || found.npm == "" {
		missing.look("PATH: it has not both node and npm")
	} else if err := found.probe(ctx); err == nil {
		return found, nil
	} else {
		missing.look("PATH: %v", err)
	}
	if ctx.Err() != nil {
		return found, fmt.Errorf("look for Node: %w", context.Cause(ctx))
	}
	err = p.privateCopy(ctx, packaged{
		name: "Node", folder: "nodejs", hint: nodeHint, needs: isPartOfNode, prepare: relocateNode,
		choose: func(context.Context, *apt) (string, error) { return "npm", nil },
		runs: func(ctx context.Context, tree string) error {
			bin := filepath.Join(tree, "bin")
			found = nodePrograms{filepath.Join(bin, "node"), filepath.Join(bin, "npm"), bin}
			return found.probe(ctx)
		},
	}, missing)
	return found, err
}

var (
	nodeVersion = regexp.MustCompile(`(?m)^v(\d+)\.`)
	npmVersion  = regexp.MustCompile(`(?m)^(\d+)\.`)
)

// probe runs both; npm is a program for Node, so that its answer says that Node runs programs.
func (n nodePrograms) probe(ctx context.Context) error {
	version, err := versionIn(ctx, n.node, nil, nodeVersion)
	if err != nil {
		return err
	}
	if major, err := strconv.Atoi(version[0]); err != nil || major < oldestNode {
		return fmt.Errorf("%s is version %s, too old", n.node, version[0])
	}
	_, err = versionIn(ctx, n.npm, []string{"PATH=" + n.path()}, npmVersion)
	return err
}

// path is the PATH on which commands find these programs.
func (n nodePrograms) path() string {
	if n.bin == "" {
		return os.Getenv("PATH")
	}
	return n.bin + string(os.PathListSeparator) + os.Getenv("PATH")
}

// isPartOfNode tells the packages that Node and npm do not run without: npm comes as a hundred small ones.
func isPartOfNode(name string) bool {
	if strings.HasSuffix(name, "-dev") || strings.HasPrefix(name, "libpython") {
		return false // to build add-ons, which nobody does here
	}
	return name == "nodejs" || strings.HasPrefix(name, "node-") || isLibrary(name)
}

const (
	// Debian's Node reads parts of itself from this folder, whose name is compiled into its library, when it starts.
	compiledIn = "/usr/share/nodejs/"
	// The launcher opens the copy's folder under this number. The name is as long as the other: bytes keep their places.
	handedOver = "/proc/self/fd/9///"

	nodeLauncher = `#!/bin/sh
tree=$(cd "$(dirname "$0")/.." && pwd -P)
LD_LIBRARY_PATH=$(echo "$tree"/usr/lib/*-linux-*) exec "$tree/usr/bin/node" "$@" 9< "$tree/usr/share/nodejs"
`
	npmLauncher = `#!/bin/sh
tree=$(cd "$(dirname "$0")/.." && pwd -P)
NODE_PATH="$tree/usr/share/nodejs" exec "$tree/bin/node" "$tree/usr/share/nodejs/npm/bin/npm-cli.js" "$@"
`
)

// relocateNode lets an unpacked Node run where it is: its library looks for the rest where the launcher says.
func relocateNode(tree string) error {
	libraries, _ := filepath.Glob(filepath.Join(tree, "usr/lib/*-linux-*/libnode.so.*"))
	for _, library := range libraries {
		text, err := os.ReadFile(library)
		if err != nil {
			return err
		}
		text = bytes.ReplaceAll(text, []byte(compiledIn), []byte(handedOver))
		if err := os.WriteFile(library, text, 0o644); err != nil { //nolint:gosec // a file of the tree that we unpacked
			return err
		}
	}
	bin := filepath.Join(tree, "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return err
	}
	// A process forked meanwhile would inherit the open file, and a program open for writing cannot run.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	return errors.Join(
		os.WriteFile(filepath.Join(bin, "node"), []byte(nodeLauncher), 0o755),
		os.WriteFile(filepath.Join(bin, "npm"), []byte(npmLauncher), 0o755))
}
