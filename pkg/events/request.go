package events

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"

	"oprun.example/pkg/dedupe"
)

// Request is one job to publish.
type Request struct {
	// Identity says whose job it is, of what type and what makes it the same as another. A catalogue computes it.
	// Its hash may be zero when RunID or MsgID is set.
	Identity dedupe.Identity

	// Input is one JSON object (see [ValidInput]). It must not be changed before the acknowledgement is there.
	Input []byte

	// RunID names the run when the ledger has it already, and then DispatchNo says the how manieth publication of
	// it this is.
	RunID      uuid.UUID
	DispatchNo int

	// RequestID is the caller's own id of this request: 1–128 visible ASCII characters. Asked again with the same
	// id, the job runs once, for as long as the ledger keeps the run. Empty: the publisher makes one with
	// [NewRequestID] (none for a RunID, and none for Coalesce), which the [Ack] tells.
	RequestID string

	Initiator               string // who asks; "" reads as "system"
	TraceParent, TraceState string // W3C trace context; one that is not valid is left out. "": that of the caller's span

	// Coalesce has the broker suppress this request when another of the same identity was stored within its
	// dedupe window. A suppressed request is answered with [Ack.Duplicate] and is nowhere else to be seen.
	Coalesce bool

	// MsgID stands for the Nats-Msg-Id that follows from the identity. It is for tests and tools.
	MsgID string
}

// maxMsgIDLength bounds a Nats-Msg-Id; the longest that we make has 196 characters.
const maxMsgIDLength = 256

// NewRequestID returns a new request id, a UUID version 7: runs derived from such ids are stored in order of time.
// Make it before the identity when the type's mode is request, where the id is part of the identity.
func NewRequestID() (string, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return "", fmt.Errorf("make a request id: %w", err)
	}
	return id.String(), nil
}

// message checks the request, gives it a request id when it needs one, and returns it as it travels.
func (r *Request) message(subjects Subjects) (*nats.Msg, error) {
	if err := r.validate(); err != nil {
		return nil, err
	}
	if r.RequestID == "" && r.RunID == uuid.Nil && !r.Coalesce {
		id, err := NewRequestID()
		if err != nil {
			return nil, err
		}
		r.RequestID = id
	}
	header := nats.Header{HeaderMsgID: {r.msgID()}}
	parent, state := validTrace(r.TraceParent, r.TraceState)
	set(header, HeaderRequestID, r.RequestID)
	set(header, HeaderInitiator, r.Initiator)
	set(header, HeaderTraceParent, parent)
	set(header, HeaderTraceState, state)
	if r.RunID != uuid.Nil {
		set(header, HeaderRunID, r.RunID.String())
	}
	return &nats.Msg{
		Subject: subjects.Subject(r.Identity.Scope, r.Identity.Type),
		Header:  header,
		Data:    r.Input,
	}, nil
}

func set(header nats.Header, name, value string) {
	if value != "" {
		header[name] = []string{value}
	}
}

func (r *Request) msgID() string {
	switch {
	case r.MsgID != "":
		return r.MsgID
	case r.RunID != uuid.Nil:
		return dedupe.RunMsgID(r.RunID, r.DispatchNo)
	case r.Coalesce:
		return r.Identity.MsgID("")
	default:
		return r.Identity.MsgID(r.RequestID)
	}
}

// validate refuses what a [Codec] would refuse, before it is sent.
func (r *Request) validate() error {
	if kind := r.Identity.Scope.Kind; kind != dedupe.TenantScope && kind != dedupe.WorkspaceScope {
		return errors.New("the identity has no scope")
	}
	if err := ValidType(r.Identity.Type); err != nil {
		return err
	}
	if r.RunID == uuid.Nil && r.MsgID == "" && r.Identity.Hash == ([32]byte{}) {
		return errors.New("the identity has no hash: compute it with the catalogue")
	}
	if r.RunID != uuid.Nil && (r.Coalesce || r.DispatchNo < 0) {
		return errors.New("a run id goes with a dispatch number of 0 or more, and not with coalesce")
	}
	if err := ValidSender(r.RequestID, r.Initiator); err != nil {
		return err
	}
	if len(r.MsgID) > maxMsgIDLength || !visible(r.MsgID) {
		return errors.New("the message id is not up to " + strconv.Itoa(maxMsgIDLength) + " visible ASCII characters")
	}
	return ValidInput(r.Input)
}

// ValidSender reports why a request cannot have this id or this initiator, either of which may be empty, as a
// [*Refusal].
func ValidSender(requestID, initiator string) error {
	if requestID != "" && !validRequestID(requestID) {
		return refuse(dedupe.HeaderInvalid, "the request id is not 1 to 128 visible ASCII characters")
	}
	if !validInitiator(initiator) || strings.TrimSpace(initiator) != initiator {
		return refuse(dedupe.HeaderInvalid, "the initiator is longer than 128 characters, or has control characters or spaces at its ends")
	}
	return nil
}
