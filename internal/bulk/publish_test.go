package bulk

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"oprun.example/pkg/events"
)

func TestPublish_that_is_stopped_goes_on_where_it_was(t *testing.T) {
	t.Parallel()
	b := newBroker(t, nil).withStream(t)
	c := b.config(t, 12_000)
	ctx := stopAfter(t, &c, 3000)
	first, err := Publish(ctx, c)
	if !errors.Is(err, context.Canceled) || first.Finished || first.UpTo < 3000 || first.UpTo >= 12_000 || first.Lines != first.UpTo {
		t.Fatalf("got %+v, %v", first, err)
	}
	if got := b.messages(t); got != first.UpTo {
		t.Errorf("the stream has %d messages, and the report goes to line %d", got, first.UpTo)
	}
	c.Progress = nil
	second := mustPublish(t, c)
	if second.Batch != first.Batch || second.Resumed != first.UpTo || !second.Finished {
		t.Errorf("got %+v", second)
	}
	wantCounts(t, second, Counts{Lines: 12_000, Accepted: 12_000})
	if got := b.messages(t); got != 12_000 {
		t.Errorf("the stream has %d messages", got)
	}
}

func TestPublish_without_its_resume_file_asks_with_the_same_ids_when_the_batch_is_named(t *testing.T) {
	t.Parallel()
	b := newBroker(t, nil).withStream(t)
	c := b.config(t, 2500)
	first := mustPublish(t, c)
	check(t, os.Remove(c.From+".resume"))
	c.Batch = first.Batch
	wantCounts(t, mustPublish(t, c), Counts{Lines: 2500, Suppressed: 2500})
	if got := b.messages(t); got != 2500 {
		t.Errorf("the stream has %d messages", got)
	}
}

func TestPublish_of_a_mended_line_is_a_new_request_and_no_other_is(t *testing.T) {
	t.Parallel()
	b := newBroker(t, nil).withStream(t)
	c := b.config(t, 100)
	c.Batch = mustPublish(t, c).Batch
	text, err := os.ReadFile(c.From)
	check(t, err)
	check(t, os.WriteFile(c.From, bytes.Replace(text, []byte(`{"line": 50}`), []byte(`{"line": 50, "mended": true}`), 1), 0o600))
	wantCounts(t, mustPublish(t, c), Counts{Lines: 100, Accepted: 1, Suppressed: 99})
}

func TestPublish_does_not_guess_about_a_file_that_has_changed(t *testing.T) {
	t.Parallel()
	b := newBroker(t, nil).withStream(t)
	c := b.config(t, 5000)
	ctx := stopAfter(t, &c, 1000)
	first, err := Publish(ctx, c)
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	c.Progress = nil
	check(t, os.WriteFile(c.From, numbered(2, 5000), 0o600))
	_, err = Publish(t.Context(), c)
	if choice, ok := errors.AsType[*ChoiceError](err); !ok || !strings.Contains(choice.Hint, first.Batch.String()) {
		t.Fatalf("got %v", err)
	}
	if got := b.messages(t); got != first.UpTo {
		t.Errorf("the stream has %d messages, %d before", got, first.UpTo)
	}
	c.Again = true
	again := mustPublish(t, c)
	if again.Batch == first.Batch {
		t.Error("new jobs have the ids of the old batch")
	}
	wantCounts(t, again, Counts{Lines: 4999, Accepted: 4999})

	c.Again = false
	check(t, os.WriteFile(c.From, numbered(2, 6000), 0o600))
	if _, err = Publish(t.Context(), c); err == nil {
		t.Error("a finished file has grown, and nobody is asked what that means")
	}
}

func TestPublish_from_stdin_sends_what_has_come_before_it_waits_for_more(t *testing.T) {
	t.Parallel()
	b := newBroker(t, nil).withStream(t)
	c := b.config(t, 0)
	read, write := io.Pipe()
	c.From, c.In, c.Refused = Stdin, read, c.From+".refused"
	settled := make(chan int, 10) // filled by Publish, never closed
	c.Progress = func(r Report) { settled <- r.Lines }
	result := make(chan Report, 1) // of Publish
	go func() {
		report, err := Publish(t.Context(), c)
		if err != nil {
			t.Error(err)
		}
		result <- report
	}()
	for line := 1; line <= 3; line++ {
		if _, err := write.Write(numbered(line, line)); err != nil {
			t.Fatal(err)
		}
		if got := <-settled; got != line {
			t.Fatalf("%d lines are settled, want %d", got, line)
		}
	}
	check(t, write.Close())
	wantCounts(t, <-result, Counts{Lines: 3, Accepted: 3})
}

func TestPublish_of_a_source_that_breaks_has_published_what_came_before(t *testing.T) {
	t.Parallel()
	b := newBroker(t, nil).withStream(t)
	c := b.config(t, 0)
	c.From, c.In, c.Refused = Stdin, breaking{bytes.NewReader(numbered(1, 1500))}, c.From+".refused"
	report, err := Publish(t.Context(), c)
	if !errors.Is(err, errStop) || report.UpTo != 1500 || report.Finished {
		t.Errorf("got %+v, %v", report, err)
	}
}

func TestPublish_goes_on_over_a_restart_of_the_broker(t *testing.T) {
	t.Parallel()
	b := newBroker(t, nil).withStream(t)
	c := b.config(t, 20_000)
	c.Publisher = events.NewPublisher(b.js, events.PublisherConfig{AckTimeout: time.Second, Tries: 60})
	restarted := false
	c.Progress = func(r Report) {
		if r.UpTo >= 5000 && !restarted {
			restarted = true
			check(t, b.Restart())
		}
	}
	report := mustPublish(t, c)
	if report.Lines != 20_000 || report.Accepted+report.Suppressed != 20_000 || !restarted {
		t.Errorf("got %+v", report)
	}
	if got := b.messages(t); got < 20_000 {
		t.Errorf("the stream has %d messages", got)
	}
}

func TestPublish_stops_when_the_broker_is_gone_and_says_up_to_where(t *testing.T) {
	t.Parallel()
	b := newBroker(t, nil).withStream(t)
	c := b.config(t, 20_000)
	c.Publisher = events.NewPublisher(b.js, events.PublisherConfig{AckTimeout: 3 * time.Second, Tries: 1})
	c.Progress = func(r Report) {
		if r.UpTo >= 5000 {
			b.Stop()
		}
	}
	stopped, err := Publish(t.Context(), c)
	if !errors.Is(err, events.ErrNoAck) || stopped.Finished || stopped.UpTo < 5000 {
		t.Fatalf("got %+v, %v", stopped, err)
	}
	check(t, b.Restart())
	if got := b.messages(t); got < stopped.UpTo {
		t.Errorf("the stream has %d messages, and the report goes to line %d", got, stopped.UpTo)
	}
	c.Progress = nil
	c.Publisher = events.NewPublisher(b.js, events.PublisherConfig{Tries: 60})
	if report := mustPublish(t, c); report.Lines != 20_000 || !report.Finished {
		t.Errorf("got %+v", report)
	}
}

func TestPublish_without_the_right_to_stops_at_once_and_says_so(t *testing.T) {
	t.Parallel()
	users := func(options *server.Options) {
		deny := &server.SubjectPermission{Deny: []string{"jobs.tenant.>"}}
		options.Users = []*server.User{{Username: "u", Password: "p", Permissions: &server.Permissions{Publish: deny}}}
	}
	quiet := nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})
	b := newBroker(t, users, nats.UserInfo("u", "p"), quiet).withStream(t)
	c := b.config(t, 2000)
	c.Publisher = events.NewPublisher(b.js, events.PublisherConfig{AckTimeout: time.Hour}) // the test would not end
	ctx, stop := events.WhileAllowed(t.Context(), b.conn)
	defer stop()
	report, err := Publish(ctx, c)
	if !errors.Is(err, events.ErrNotAllowed) || !strings.Contains(err.Error(), `Publish to "jobs.tenant.`) {
		t.Errorf("got %v", err)
	}
	if report.UpTo != 0 || report.Batch == uuid.Nil {
		t.Errorf("got %+v", report)
	}
}

// Lines that are refused are told once, however often the publication is interrupted.
func TestPublish_keeps_each_refused_line_once(t *testing.T) {
	t.Parallel()
	b := newBroker(t, nil).withStream(t)
	c := b.config(t, 0)
	text := strings.ReplaceAll(string(numbered(1, 40_000)), `5}}`, `5}`) // each tenth
	check(t, os.WriteFile(c.From, []byte(text), 0o600))
	for line := 2000; line <= 34_000; line += 8000 { // a stop settles what is in flight as well, four batches at most
		interrupted := c
		if _, err := Publish(stopAfter(t, &interrupted, line), interrupted); !errors.Is(err, context.Canceled) {
			t.Fatalf("got %v", err)
		}
	}
	wantCounts(t, mustPublish(t, c), Counts{Lines: 40_000, Accepted: 36_000, Refused: 4000})
	kept, err := os.ReadFile(c.From + ".refused")
	check(t, err)
	if got := bytes.Count(kept, []byte("\n")); got != 4000 || !bytes.HasPrefix(kept, []byte(`{"line":5,"reason":"the JSON ends too early at byte `)) {
		t.Errorf("%d lines are kept, the first is %.100s", got, kept)
	}

	mended := append(kept, "what somebody has noted\n"...)
	check(t, os.WriteFile(c.From+".refused", mended, 0o600))
	if again := mustPublish(t, c); !again.Finished { // there is nothing to do
		t.Errorf("got %+v", again)
	}
	if kept, err = os.ReadFile(c.From + ".refused"); err != nil || !bytes.Equal(kept, mended) {
		t.Errorf("what was refused is written over when nothing is published: %d bytes, want %d (%v)", len(kept), len(mended), err)
	}
}
