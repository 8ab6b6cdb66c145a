package events

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// What a caller may test for when publishing fails.
var (
	// ErrNoStream says that no stream takes the subject: there is none, or its servers are away.
	ErrNoStream = errors.New(`no stream takes this subject: run "consumer topology apply"`)

	// ErrStreamFull says that the stream has reached its limit and, as it should, refuses new messages rather than
	// delete old ones.
	ErrStreamFull = errors.New("the stream is full and refuses new messages: raise max_bytes (what it holds leaves it by age only, done or not)")

	// ErrNoAck says that the stream may or may not have the message.
	ErrNoAck = errors.New("no acknowledgement: the broker is away or slow, or this user may not publish here " +
		"(a missing permission looks like this; the connection's error handler is told)")

	// ErrNotAllowed says that the broker has refused a subject to this user: see [WhileAllowed].
	ErrNotAllowed = errors.New("this user may not publish here")
)

// Error codes of the server (nats-server, server/errors.json) that the client library has no names for.
const (
	codeClusterNotAvailable  jetstream.ErrorCode = 10008
	codeStreamStoreFailed    jetstream.ErrorCode = 10077
	codeStreamSubjectOverlap jetstream.ErrorCode = 10065

	codeAtomicPublishDisabled jetstream.ErrorCode = 10174
)

// lostAck reports whether the message may or may not have been stored, so that sending it again is right.
func lostAck(err error) bool {
	return errors.Is(err, jetstream.ErrAsyncPublishTimeout) || errors.Is(err, nats.ErrDisconnected)
}

// explain says what to do about an error of the client library, in the words of this package.
func explain(subject string, err error) error {
	var meaning error
	switch {
	case errors.Is(err, jetstream.ErrNoStreamResponse), errors.Is(err, nats.ErrNoResponders):
		meaning = ErrNoStream
	case isFull(err):
		meaning = ErrStreamFull
	case lostAck(err), errors.Is(err, context.DeadlineExceeded), errors.Is(err, jetstream.ErrTooManyStalledMsgs),
		errors.Is(err, nats.ErrReconnectBufExceeded):
		meaning = ErrNoAck
	default:
		return fmt.Errorf("publish %s: %w", subject, err)
	}
	return fmt.Errorf("publish %s: %w (%w)", subject, meaning, err)
}

// isFull goes by the server's words, too: it has one code for everything that keeps a message from being stored.
func isFull(err error) bool {
	api, ok := errors.AsType[*jetstream.APIError](err)
	return ok && api.ErrorCode == codeStreamStoreFailed &&
		(strings.Contains(api.Description, "maximum bytes") || strings.Contains(api.Description, "maximum messages"))
}

// WhileAllowed returns a context that ends, with a cause that is [ErrNotAllowed], when the broker refuses this connection a
// subject to publish to, or the inbox for its answers: it tells so beside every call, and a publication would only time out. A
// subscription to anything else may be refused: who waits for a run hears of its end later then. The connection's own error
// handler is told of all. The caller calls stop.
func WhileAllowed(ctx context.Context, conn *nats.Conn) (allowed context.Context, stop func()) {
	allowed, cancel := context.WithCancelCause(ctx)
	before := conn.ErrorHandler()
	conn.SetErrorHandler(func(conn *nats.Conn, sub *nats.Subscription, err error) {
		if before != nil {
			before(conn, sub, err)
		}
		if errors.Is(err, nats.ErrPermissionViolation) && !deaf(err) {
			cancel(fmt.Errorf("%w: %w", ErrNotAllowed, err))
		}
	})
	return allowed, func() { cancel(nil) }
}

// deaf reports whether a refusal is of a subscription that no answer comes by. The server's words are all there is.
func deaf(err error) bool {
	_, subject, subscription := strings.Cut(err.Error(), `Violation for Subscription to "`)
	return subscription && !strings.HasPrefix(subject, nats.InboxPrefix)
}
