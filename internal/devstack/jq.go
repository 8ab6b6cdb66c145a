package devstack

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
)

const jqHint = "type: put jq on PATH (Debian: apt-get install jq)"

// JQPath returns the value of PATH on which a shell finds jq, which commands in the documents use: the one of the machine,
// else one unpacked into the user's cache. The test fails, and is never skipped, when there is none to be had; the text
// says what to type.
func JQPath(tb TB) string {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	folder, err := machine.findJQ(ctx)
	if err != nil {
		tb.Fatalf("%v", err)
	}
	if folder == "" {
		return os.Getenv("PATH")
	}
	return folder + string(os.PathListSeparator) + os.Getenv("PATH")
}

// findJQ returns the folder of a private copy, or "" when jq is on PATH. The error is a *MissingError, or wraps the cause
// when ctx ends first.
func (p places) findJQ(ctx context.Context) (folder string, err error) {
	missing := &MissingError{What: "jq"}
	if path := p.lookPath("jq"); path == "" {
		missing.look("PATH: no jq")
	} else if _, err := versionIn(ctx, path, nil, jqVersion); err == nil {
		return "", nil
	} else {
		missing.look("PATH: %v", err)
	}
	err = p.privateCopy(ctx, packaged{
		name: "jq", folder: "jq", hint: jqHint, needs: isLibrary,
		choose:  func(context.Context, *apt) (string, error) { return "jq", nil },
		prepare: launchJQ,
		runs: func(ctx context.Context, tree string) error {
			folder = filepath.Join(tree, "launch")
			_, err := versionIn(ctx, filepath.Join(folder, "jq"), nil, jqVersion)
			return err
		},
	}, missing)
	return folder, err
}

const jqLauncher = `#!/bin/sh
here=$(dirname "$0")/..
LD_LIBRARY_PATH=$(echo "$here"/usr/lib/*-linux-*) exec "$here/usr/bin/jq" "$@"
`

// launchJQ writes a launcher that finds the copy's libraries beside it, wherever the copy is.
func launchJQ(tree string) error {
	folder := filepath.Join(tree, "launch")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, "jq"), []byte(jqLauncher), 0o755)
}

var jqVersion = regexp.MustCompile(`^jq-(\d+)`)
