package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"oprun.example/pkg/catalog"
)

// killLines is the size of the file whose publication is killed: go test ./cmd/publisher -run Killed -args -lines 1000000
var killLines = flag.Int("lines", 80_000, "lines of the file whose publisher is killed ten times")

const (
	kills    = 10
	killType = "lines.each"
)

// killed is a stage with the file, and with chance.
type killed struct {
	*stage
	rng *rand.Rand
}

// A publisher of many lines that is killed ten times, each time at another moment, ends with exactly one run per line. The
// broker's dedupe window is so short that what a resumed publication sends again is mostly stored again: the ledger has to
// know it by its request id.
func TestPublishOfManyLinesKilledTenTimesMakesOneRunPerLine(t *testing.T) {
	t.Parallel()
	const seed, window = 6, 100 * time.Millisecond
	s := &killed{newStage(t, window), rand.New(rand.NewPCG(seed, seed))}
	s.writeLines()
	for kill := range kills {
		s.killOnce(kill)
	}
	out, err := s.publisher(t.Context()).Output()
	if err != nil {
		t.Fatalf("the last run: %v", err)
	}
	var report struct {
		Finished                             bool
		Lines, Accepted, Suppressed, Refused int
	}
	if err := json.Unmarshal(out, &report); err != nil {
		t.Fatal(err)
	}
	if !report.Finished || report.Lines != *killLines || report.Accepted+report.Suppressed != *killLines || report.Refused != 0 {
		t.Errorf("the publisher tells %+v of %d lines", report, *killLines)
	}
	t.Logf("%d lines, %d messages in the stream, %s", *killLines, s.messages(), out)
	s.drain()
	s.wantOneRunPerLine()
}

// writeLines writes the catalogue and the file.
func (s *killed) writeLines() {
	s.t.Helper()
	s.write("jobs.yaml", func(out *bufio.Writer) {
		fmt.Fprintf(out, "version: 1\njobs:\n  %s: {scope: tenant, identity: [line]}\n", killType)
	})
	s.write("jobs.ndjson", func(out *bufio.Writer) {
		for line := range *killLines {
			fmt.Fprintf(out, "{\"type\": %q, \"tenant\": %q, \"input\": {\"line\": %d}}\n", killType, s.tenant, line)
		}
	})
}

func (s *killed) write(name string, content func(*bufio.Writer)) {
	s.t.Helper()
	file, err := os.Create(filepath.Join(s.dir, name))
	check(s.t, err)
	out := bufio.NewWriter(file)
	content(out)
	check(s.t, out.Flush())
	check(s.t, file.Close())
}

// publisher is the command that is typed again and again.
func (s *killed) publisher(ctx context.Context) *exec.Cmd {
	command := exec.CommandContext(ctx, "publisher", "publish", "--from", "jobs.ndjson", "--nats-url", s.natsURL, "--output", "ndjson")
	command.Dir, command.Stderr = s.dir, new(bytes.Buffer)
	return command
}

func (s *killed) messages() uint64 {
	s.t.Helper()
	stream, err := s.js.Stream(s.t.Context(), "JOBS")
	check(s.t, err)
	return stream.CachedInfo().State.LastSeq
}

// killOnce starts the publisher and kills it: some before they could publish anything, the others when the stream has got some
// more messages, and a random moment later.
func (s *killed) killOnce(kill int) {
	s.t.Helper()
	command, more := s.publisher(s.t.Context()), uint64(0)
	if kill%5 > 0 {
		more = 1 + s.rng.Uint64N(uint64(*killLines/12))
	}
	before := s.messages()
	check(s.t, command.Start())
	ended := make(chan error, 1) // of the process
	go func() { ended <- command.Wait() }()
	moment := time.NewTimer(time.Duration(s.rng.Int64N(int64(100 * time.Millisecond))))
	for waiting := true; waiting; {
		select {
		case err := <-ended:
			s.t.Fatalf("before kill %d of %d the publisher had ended by itself, give it more lines or mend it: %v\n%s", kill+1, kills, err, command.Stderr)
		case <-moment.C:
			moment.Reset(time.Millisecond)
			waiting = s.messages() < before+more
		}
	}
	check(s.t, command.Process.Kill())
	<-ended
	if command.ProcessState.Exited() {
		s.t.Fatalf("kill %d of %d came too late: give it more lines", kill+1, kills)
	}
	state, err := os.ReadFile(filepath.Join(s.dir, "jobs.ndjson.resume"))
	s.t.Logf("killed when the stream had %d messages more; %.130s %v", s.messages()-before, state, err)
}

// drain runs all that is in the stream, with a handler that does nothing.
func (s *killed) drain() {
	s.t.Helper()
	declared, err := catalog.Load(filepath.Join(s.dir, "jobs.yaml"))
	check(s.t, err)
	stop, err := workIdly(s.js, s.ledger, declared)
	check(s.t, err)
	patience := time.After(3*time.Minute + time.Duration(*killLines)*time.Millisecond)
	for !s.drained() {
		select {
		case <-patience:
			s.t.Fatal("the stream is not drained")
		case <-time.After(100 * time.Millisecond):
		}
	}
	check(s.t, stop())
}

// drained reports that every message was answered.
func (s *killed) drained() bool {
	s.t.Helper()
	consumer, err := s.js.Consumer(s.t.Context(), "JOBS", "oprun")
	check(s.t, err)
	info := consumer.CachedInfo()
	return info.NumPending == 0 && info.NumAckPending == 0
}

// wantOneRunPerLine looks at every run: a line is an identity, and no two lines have the same.
func (s *killed) wantOneRunPerLine() {
	s.t.Helper()
	var runs, identities, succeeded, letters int
	const query = `select count(*), count(distinct run_identity_hash), count(*) filter (where outcome = 'succeeded'),
		(select count(*) from oprun.dead_letters) from oprun.operation_runs where type = $1`
	check(s.t, s.pool.QueryRow(s.t.Context(), query, killType).Scan(&runs, &identities, &succeeded, &letters))
	if runs != *killLines || identities != *killLines || succeeded != *killLines || letters != 0 {
		s.t.Errorf("%d runs of %d identities, %d succeeded, %d dead letters; want one run for each of %d lines",
			runs, identities, succeeded, letters, *killLines)
	}
}
