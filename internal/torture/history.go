package torture

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/google/uuid"
)

// way is how a request reaches the ledger.
type way string

// The ways, and what makes an occurrence on each.
const (
	byRequest way = "message"      // a message with a request id
	byPlace   way = "bare_message" // a message without one: its place in the stream
	byLedger  way = "ledger"       // the caller's transaction
	hopeless  way = "dead_letter"  // a message that can never run
)

// event is what a client notes of a request: that it asks, and what it was told.
type event string

const (
	invoked event = "invoked"
	ok      event = "ok"      // accepted: it must come to its end
	refused event = "refused" // certainly not accepted, by its own abort or with an error
	unknown event = "unknown" // the answer was lost
)

// entry is one line of the history. The lines of one request have its number; only the first says what it asks for.
type entry struct {
	Request int       `json:"request"`
	Event   event     `json:"event"`
	At      time.Time `json:"at"`

	Way       way    `json:"way,omitempty"`
	Type      string `json:"type,omitempty"`
	Scope     string `json:"scope,omitempty"`
	Key       string `json:"key,omitempty"`
	RequestID string `json:"request_id,omitempty"`

	MsgID  string    `json:"msg_id,omitempty"`
	Seq    uint64    `json:"seq,omitempty"`
	RunID  uuid.UUID `json:"run_id,omitzero"` // invoked: the run that its request id makes; else that which a caller was named
	Joined bool      `json:"joined,omitempty"`
	Error  string    `json:"error,omitempty"`
}

// history is the clients' append-only account of what they asked and what they were told. The audit trusts nothing
// else.
type history struct {
	mu    sync.Mutex
	file  *os.File
	lost  error // of a line that could not be written
	asked int
}

func openHistory(path string) (*history, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	return &history{file: file}, nil
}

func (h *history) note(e entry) {
	e.At = time.Now()
	line, err := json.Marshal(e)
	h.mu.Lock()
	defer h.mu.Unlock()
	if err == nil {
		_, err = h.file.Write(append(line, '\n'))
	}
	h.lost = errors.Join(h.lost, err)
	if e.Event == invoked && e.Way != "" {
		h.asked++
	}
}

func (h *history) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.asked
}

// request is what the history comes to for one request.
type request struct {
	entry                     // its first line; Event is the sum of all answers
	runs   map[uuid.UUID]bool // that its callers were named
	agreed map[uuid.UUID]bool // of these, by answers that were ok
	joined bool
}

// requests reads the history back. A request is ok when any of its tries was, refused when all were, else unknown.
func (h *history) requests() (map[int]*request, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.lost != nil {
		return nil, fmt.Errorf("write the history: %w", h.lost)
	}
	if _, err := h.file.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	all := map[int]*request{}
	for lines := bufio.NewScanner(h.file); lines.Scan(); {
		var e entry
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return nil, fmt.Errorf("read the history: %w", err)
		}
		if all[e.Request] == nil {
			all[e.Request] = &request{entry: e, runs: map[uuid.UUID]bool{}, agreed: map[uuid.UUID]bool{}}
			all[e.Request].Event = ""
			continue
		}
		all[e.Request].hear(e)
	}
	for _, r := range all {
		if r.Event == "" {
			r.Event = unknown // never answered
		}
	}
	return all, nil
}

// makes tells whether a run is the request's own, and not one that it met.
func (r *request) makes(id uuid.UUID) bool {
	if r.RequestID != "" {
		return id == r.RunID
	}
	return !r.joined
}

func (r *request) hear(e entry) {
	if e.RunID != uuid.Nil {
		r.runs[e.RunID] = true
		if e.Event == ok {
			r.agreed[e.RunID] = true
		}
		r.joined = r.joined || e.Joined
	}
	if e.Seq > 0 {
		r.Seq = e.Seq
	}
	switch {
	case e.Event == invoked:
	case e.Event == ok || r.Event == "":
		r.Event = e.Event
	case r.Event != ok && e.Event == unknown:
		r.Event = unknown
	}
}
