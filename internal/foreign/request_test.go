package foreign

import (
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"oprun.example/pkg/catalog"
	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
	"oprun.example/pkg/jobs"
)

// shortWindow gives the stream the shortest memory for Nats-Msg-Id that a server takes.
func shortWindow(topology *events.Topology) { topology.Duplicates = 100 * time.Millisecond }

// A producer that does not know whether its message arrived sends it again. Inside the broker's window the broker says
// that it has it; past the window the broker stores it a second time, and the ledger knows the request.
func TestOneRequestTwiceIsOneRunPastTheDedupeWindow(t *testing.T) {
	t.Parallel()
	w := newWorld(t, shortWindow)
	client := dial(t, w.url)
	header := block("Nats-Msg-Id: order-7", "Oprun-Request-Id: order-7")
	first := client.accept(w.fetch(), header, input("twice"))
	if first.Duplicate {
		t.Errorf("the first is a duplicate: %+v", first)
	}
	run := w.effect("twice")
	again := first
	w.eventually("the broker to forget the message", func() bool {
		again = client.accept(w.fetch(), header, input("twice"))
		return !again.Duplicate
	})
	if again.Seq == first.Seq {
		t.Errorf("the second is in the stream as %d, like the first", again.Seq)
	}
	// Much later, from another process, with another message id and in another order of the input.
	client = dial(t, w.url)
	client.accept(w.fetch(), block("Oprun-Request-Id: order-7", "Nats-Msg-Id: 2"), `{"policy_type": "home", "connection_id": "twice"}`)
	w.settled()
	if effects := w.effects("twice"); len(effects) != 1 || effects[0] != run || run.RunID != w.runID("order-7", 0) {
		t.Errorf("%d runs, want one: %+v", len(effects), effects)
	}
	if runs := w.count("select count(*) from oprun.operation_runs where type = $1", fetchType); runs != 1 {
		t.Errorf("%d runs in the ledger, want 1", runs)
	}
}

// Bare messages are requests of their own, each of its place: the same bytes again, after the run has ended, are a new run.
func TestABareMessageTwiceIsTwoRequests(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	client := dial(t, w.url)
	first := client.accept(w.fetch(), "", input("bare"))
	w.effect("bare")
	w.settled()
	second := client.accept(w.fetch(), "", input("bare"))
	w.eventually("the second run", func() bool { return len(w.effects("bare")) == 2 })
	got := map[any]bool{}
	for _, effect := range w.effects("bare") {
		got[effect.RunID] = true
	}
	if !got[w.runID("", first.Seq)] || !got[w.runID("", second.Seq)] {
		t.Errorf("the runs are %v", got)
	}
	// Replayed, the first is what it was.
	client.accept(w.fetch(), block("Oprun-Occurrence: "+w.place(first.Seq).String()), input("bare"))
	w.settled()
	if n := len(w.effects("bare")); n != 2 {
		t.Errorf("%d runs after the replay, want 2", n)
	}
}

// A message may name the run that the ledger has: then it is a wake-up for it and no new request. A run that this scope
// does not have is never executed.
func TestAMessageThatNamesARun(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	declared := must(catalog.Load(root + "/examples/go-producer/jobs.yaml"))(t)
	dispatcher := jobs.NewDispatcher(w.ledger, declared, w.js.Conn(), jobs.DispatcherConfig{})
	run := must(dispatcher.Dispatch(t.Context(), dedupe.Tenant(w.tenant), fetchType, map[string]string{"connection_id": "named", "policy_type": "home"}))(t)
	w.effect("named")
	w.settled()
	client := dial(t, w.url)
	client.accept(w.fetch(), block("Oprun-Run-Id: "+run.ID.String()), input("another"))
	w.settled()
	if n := len(w.effects("named")) + len(w.effects("another")); n != 1 {
		t.Errorf("%d effects, want the run's own", n)
	}
	foreign := events.Subjects{}.Subject(dedupe.Workspace(w.workspace), tidyType)
	client.accept(foreign, block("Oprun-Run-Id: "+run.ID.String()), `{}`)
	w.eventually("the delivery to be handed back", func() bool {
		info := must(must(w.js.Consumer(t.Context(), w.topology.Stream, w.topology.Consumer))(t).Info(t.Context()))(t)
		return info.NumAckPending == 1 && info.NumPending == 0 && info.Delivered.Stream == 3
	})
	if n := w.count("select count(*) from effects"); n != 1 {
		t.Errorf("%d effects, want 1", n)
	}
}

// twoProducers are users of the broker: one that may publish jobs, and one that may not.
func twoProducers(options *server.Options) {
	user := func(name string, publish ...string) *server.User {
		return &server.User{Username: name, Password: name, Permissions: &server.Permissions{Publish: &server.SubjectPermission{Allow: publish}}}
	}
	options.Users = []*server.User{user(admin, ">"), user("producer", "jobs.>", "nobody.>"), user("stranger", "elsewhere.>")}
}

// What the broker itself refuses is in no stream: its answer says why.
func TestWhatTheStreamDoesNotTake(t *testing.T) {
	t.Parallel()
	w := stillWorld(t, twoProducers, func(topology *events.Topology) { topology.MaxBytes = 4 << 10 })
	client := dial(t, w.url, "producer")
	if got := client.publish("nobody.listens", "", `{}`); got.status != "503" {
		t.Errorf("to a subject of no stream the answer is %+v, want the status 503", got)
	}
	if got := dial(t, w.url, "producer").publish(w.fetch(), "", strings.Repeat(" ", 1<<20+1)); got.err != "-ERR 'Maximum Payload Violation'" {
		t.Errorf("the answer to more than 1 MiB is %+v", got)
	}
	client.accept(w.fetch(), "", input("first"))
	if got := client.fill(w.fetch()); got.Error == nil || got.Error.ErrCode != 10077 || got.Error.Description != "maximum bytes exceeded" {
		t.Errorf("the answer of a full stream is %+v", got.Error)
	}
	// A publication without permission has no answer at all, only the server's word on the connection.
	other := dial(t, w.url, "stranger")
	if got := other.publish(w.fetch(), "", input("stranger")); got.err != `-ERR 'Permissions Violation for Publish to "`+w.fetch()+`"'` {
		t.Errorf("the server said %+v", got)
	}
}
