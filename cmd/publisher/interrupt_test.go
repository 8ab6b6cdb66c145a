package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"

	"oprun.example/internal/devstack"
)

// Whoever waits for stdin can be interrupted.
func TestReadingStdinIsInterrupted(t *testing.T) {
	t.Parallel()
	types := filepath.Join(t.TempDir(), "jobs.yaml")
	check(t, os.WriteFile(types, []byte("version: 1\njobs:\n  greetings.each: {scope: tenant, identity: []}\n"), 0o600))
	for name, test := range map[string]struct {
		first   string // what it reads before nothing more comes
		command []string
	}{
		"a record": {recordedLine(uuid.New(), 1), []string{"replay", "-", "--dry-run", "--database-url", devstack.Database(t)}},
		"an input": {"{", []string{"publish", "--type", "greetings.each", "--tenant", uuid.NewString(), "--input", "-", "--catalog", types}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			interrupted(t, test.first, test.command)
		})
	}
}

// interrupted fails the test unless a command that has read this of its stdin ends when it is interrupted.
func interrupted(t *testing.T, first string, command []string) {
	t.Helper()
	read, write := io.Pipe() // which nobody closes before the end
	t.Cleanup(func() { check(t, write.Close()) })
	ctx, interrupt := context.WithCancel(t.Context())
	var out, log bytes.Buffer
	ended := make(chan error, 1) // of the command
	go func() {
		ended <- run(ctx, command, streams{read, &out, &log})
	}()
	_, err := io.WriteString(write, first) // returns when it was read
	check(t, err)
	interrupt()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v\n%s%s", err, &out, &log)
	}
}

// recordedLine is a message of a record, stored a minute ago.
func recordedLine(tenant uuid.UUID, seq int) string {
	at := time.Now().UTC().Add(-time.Minute).Format(time.RFC3339Nano)
	return fmt.Sprintf(`{"subject":"jobs.tenant.%s.greetings.each","body":"{}","stream":"JOBS","sequence":%d,"time":%q}`+"\n", tenant, seq, at)
}
