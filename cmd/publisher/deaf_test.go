package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"oprun.example/pkg/catalog"
	"oprun.example/pkg/jobs"
)

// overheard is what a command writes, and closes heard when a word has come.
type overheard struct {
	mu    sync.Mutex
	text  strings.Builder
	word  string
	heard chan struct{}
}

// Write implements io.Writer.
func (o *overheard) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	before := strings.Contains(o.text.String(), o.word)
	o.text.Write(p)
	if !before && strings.Contains(o.text.String(), o.word) {
		close(o.heard)
	}
	return len(p), nil
}

// String is all of it.
func (o *overheard) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// Who may not subscribe to the ends of runs waits for one nevertheless, only longer (docs/events.md).
func TestPublishWaitsWithoutTheRightToHearOfEnds(t *testing.T) {
	t.Parallel()
	asWeb, js := brokerDenying(t, server.Permissions{Subscribe: &server.SubjectPermission{Deny: []string{"events.>"}}})
	database, ledger, tenant := seededLedger(t)
	types := filepath.Join(t.TempDir(), "jobs.yaml")
	check(t, os.WriteFile(types, []byte("version: 1\njobs:\n  greetings.slow: {scope: tenant, identity: []}\n"), 0o600))
	declared, err := catalog.Load(types)
	check(t, err)
	mux, goOn := &jobs.Mux{}, make(chan struct{})
	jobs.Handle(mux, "greetings.slow", func(context.Context, *jobs.Job[struct{}]) error {
		<-goOn
		return nil
	})
	stop, err := work(js, ledger, declared, mux)
	check(t, err)
	t.Cleanup(func() { check(t, stop()) })

	var out bytes.Buffer
	log := &overheard{word: "nats refused a subject", heard: make(chan struct{})}
	command := []string{
		"publish", "--type", "greetings.slow", "--tenant", tenant.String(), "--wait", "--catalog", types, "--nats-url", asWeb, "--database-url", database,
	}
	ended := make(chan error, 1) // of the command
	go func() { ended <- run(t.Context(), command, streams{strings.NewReader(""), &out, log}) }()
	select {
	case <-log.heard:
		close(goOn)
		err = <-ended
	case err = <-ended:
		close(goOn)
		t.Error("it has never tried to listen")
	}
	if err != nil || !strings.Contains(out.String(), "succeeded") {
		t.Errorf("got %v\n%s%s", err, &out, log)
	}
}
