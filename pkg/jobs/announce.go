package jobs

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
	"oprun.example/pkg/oprun"
)

// Ended is what is told of a run that has ended, as JSON: keys and values are those that `consumer runs show` gives, as
// many of them as whoever ends a run knows without asking the ledger. Never the input, never a handler's own words.
type Ended struct {
	ID             uuid.UUID        `json:"id"`
	WorkspaceID    *uuid.UUID       `json:"workspace_id,omitempty"` // of a workspace's own run
	TenantID       *uuid.UUID       `json:"tenant_id"`              // the tenant's external id; nil: the workspace's own
	Type           string           `json:"type"`
	Status         string           `json:"status"` // completed
	Outcome        oprun.Outcome    `json:"outcome"`
	Attempt        int              `json:"attempt"`
	SummaryCounts  map[string]int64 `json:"summary_counts"`
	FailureSummary []oprun.Failure  `json:"failure_summary"`
}

func endedOf(run oprun.Run) Ended {
	e := Ended{
		ID: run.ID, TenantID: run.TenantID, Type: run.Type, Status: run.Status, Outcome: run.Outcome, Attempt: run.Attempt,
		SummaryCounts: run.SummaryCounts, FailureSummary: run.FailureSummary,
	}
	if run.TenantID == nil {
		e.WorkspaceID = &run.WorkspaceID
	}
	return e
}

// Announce tells whoever listens that a run has ended, for programs that end one themselves ([oprun.Ledger.Cancel] of a
// queued run); workers tell of theirs. It is at most once: nothing keeps what nobody hears. Subjects are the workers'. A
// run that has not ended is not told of. The error is that of a broker that did not take the message
// within two seconds.
func Announce(ctx context.Context, conn *nats.Conn, subjects events.Subjects, run oprun.Run) error {
	if run.CompletedAt == nil {
		return nil
	}
	body, err := json.Marshal(endedOf(run))
	if err == nil {
		err = conn.Publish(subjects.Terminal(string(run.Outcome), run.Scope(), run.Type), body)
	}
	if err == nil {
		patient, cancel := context.WithTimeout(ctx, announcePatience)
		defer cancel()
		err = conn.FlushWithContext(patient)
	}
	if err != nil {
		return fmt.Errorf("tell of the end of run %s: %w", run.ID, err)
	}
	return nil
}

// announcePatience is how long a broker may take to say that it has an event.
const announcePatience = 2 * time.Second

// topic is what one subject of terminal events is about.
type topic struct {
	outcome oprun.Outcome
	scope   dedupe.Scope
	jobType string
}

// An announcer tells of ends only where somebody may listen, so that those which nobody wants cost next to nothing. The
// broker knows who listens: once in a round it is asked to say so if it is nobody, with an event that goes there
// anyway, and then the topic is silent for the rest of the round.
const (
	round    = 100 * time.Millisecond // how late a new listener may be noticed
	maxAsked = 64                     // topics that are asked about in a round; the others are told of unasked
)

// announcer is safe for concurrent use. It begins with listen; without that it tells of all ends.
type announcer struct {
	js       jetstream.JetStream // its connection is used
	subjects events.Subjects
	off      bool   // tell nobody
	inbox    string // where the broker answers; "": it is not asked

	mu     sync.Mutex
	begun  time.Time // this round
	number int       // of this round
	silent map[topic]bool
	asked  []topic
}

func newAnnouncer(js jetstream.JetStream, subjects events.Subjects, off bool) *announcer {
	return &announcer{js: js, subjects: subjects, off: off, silent: make(map[topic]bool)}
}

// listen has the broker's answers heard, until stop.
func (a *announcer) listen() (stop func()) {
	if a.off {
		return func() {}
	}
	inbox := a.js.Conn().NewInbox()
	subscription, err := a.js.Conn().Subscribe(inbox+".*.*", a.unheard)
	if err != nil {
		return func() {}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.inbox = inbox
	return func() { _ = subscription.Unsubscribe() }
}

// wanted reports whether somebody may listen, and where the broker is to answer if nobody does ("": it need not).
func (a *announcer) wanted(t topic) (answer string, maybe bool) {
	if a.off || !a.js.Conn().IsConnected() { // the client would keep it for later, at the expense of acknowledgements
		return "", false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if now := time.Now(); now.Sub(a.begun) > round {
		clear(a.silent)
		a.asked, a.begun, a.number = a.asked[:0], now, a.number+1
	}
	silent, known := a.silent[t]
	switch {
	case silent:
		return "", false
	case known || len(a.asked) == maxAsked || a.inbox == "":
		return "", true
	}
	a.silent[t] = false
	a.asked = append(a.asked, t)
	return a.inbox + "." + strconv.Itoa(a.number) + "." + strconv.Itoa(len(a.asked)-1), true
}

// unheard takes the broker's word that nobody listens to a topic.
func (a *announcer) unheard(msg *nats.Msg) {
	const noResponders = "503"
	if msg.Header.Get("Status") != noResponders {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	number, place, _ := strings.Cut(strings.TrimPrefix(msg.Subject, a.inbox+"."), ".")
	if i, err := strconv.Atoi(place); err == nil && number == strconv.Itoa(a.number) && i >= 0 && i < len(a.asked) {
		a.silent[a.asked[i]] = true
	}
}

// tell makes the event and sends it, if somebody may listen, with these headers. An event that is not sent is a lost one.
func (a *announcer) tell(t topic, event func() (Ended, nats.Header)) {
	answer, maybe := a.wanted(t)
	if !maybe {
		return
	}
	run, header := event()
	body, err := json.Marshal(run)
	if err != nil {
		return
	}
	_ = a.js.Conn().PublishMsg(&nats.Msg{
		Subject: a.subjects.Terminal(string(t.outcome), t.scope, t.jobType), Reply: answer, Header: header, Data: body,
	})
}
