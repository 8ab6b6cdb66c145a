package events

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// ErrNoMessage says that the stream's leader holds no message at this place. A stream that is not there, which may come
// back from a backup, does not say so.
var ErrNoMessage = errors.New("the stream holds no such message")

// ReadBack returns the message at this place of a stream, as it was stored. It asks the stream's leader, never a
// replica: a replica that lags does not have what the leader has. The error is ErrNoMessage only when the leader
// says so; a leader that does not answer within two seconds is another error: the reply to a request that a broker
// took with it never comes.
func ReadBack(ctx context.Context, js jetstream.JetStream, stream string, seq uint64) (Message, error) {
	m, err := leaderGet(ctx, js, stream, getRequest{Seq: seq})
	if err != nil && !errors.Is(err, ErrNoMessage) {
		err = fmt.Errorf("read message %d of stream %s: %w", seq, stream, err)
	}
	return m, err
}

// ReadNext is ReadBack of the first message of a subject, with wildcards, at this place or behind it.
func ReadNext(ctx context.Context, js jetstream.JetStream, stream string, seq uint64, subject string) (Message, error) {
	m, err := leaderGet(ctx, js, stream, getRequest{Seq: seq, Subject: subject})
	if err != nil && !errors.Is(err, ErrNoMessage) {
		err = fmt.Errorf("read the message of stream %s behind %d: %w", stream, seq, err)
	}
	return m, err
}

// leaderGet asks the stream's leader for one message.
func leaderGet(ctx context.Context, js jetstream.JetStream, stream string, request getRequest) (Message, error) {
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	body, err := json.Marshal(request)
	if err != nil {
		return Message{}, err
	}
	reply, err := js.Conn().RequestWithContext(ctx, APISubject(js, "STREAM.MSG.GET."+stream), body)
	if err != nil {
		return Message{}, err
	}
	var response struct {
		Error   *jetstream.APIError `json:"error"`
		Message struct {
			Subject string    `json:"subject"`
			Seq     uint64    `json:"seq"`
			Header  []byte    `json:"hdrs"`
			Data    []byte    `json:"data"`
			Time    time.Time `json:"time"`
		} `json:"message"`
	}
	if err := json.Unmarshal(reply.Data, &response); err != nil {
		return Message{}, err
	}
	if gone(response.Error) {
		return Message{}, ErrNoMessage
	}
	if response.Error != nil {
		return Message{}, response.Error
	}
	m := response.Message
	var header nats.Header
	if len(m.Header) > 0 {
		if header, err = nats.DecodeHeadersMsg(m.Header); err != nil {
			header = unreadableHeader()
		}
	}
	return Message{m.Subject, header, m.Data, stream, m.Seq, m.Time}, nil
}

func gone(e *jetstream.APIError) bool {
	return e != nil && e.ErrorCode == jetstream.JSErrCodeMessageNotFound
}

// APISubject returns the subject of a JetStream request, for example "STREAM.INFO.JOBS", under the prefix or in the
// domain that js was made with.
func APISubject(js jetstream.JetStream, request string) string {
	options := js.Options()
	switch {
	case options.APIPrefix != "":
		return strings.TrimSuffix(options.APIPrefix, ".") + "." + request
	case options.Domain != "":
		return "$JS." + options.Domain + ".API." + request
	default:
		return jetstream.DefaultAPIPrefix + request
	}
}
