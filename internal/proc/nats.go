package proc

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

const natsHint = "type: export NATS_URL=nats://host:4222 (and NATS_CREDS=<file> if it asks for credentials), and see that NATS runs there"

// NATSConfig says where NATS is and who we are there.
type NATSConfig struct {
	// URL is one address or several, separated by commas; empty: nats://127.0.0.1:4222.
	URL string
	// Creds is a credentials file; empty: none.
	Creds string
	// Name is shown by the server's monitoring.
	Name string
}

// ConnectNATS connects and waits up to wait until a server answers; 0 tries once. The connection then reconnects for
// ever, also when its credentials are refused for a while; log gets its ups and downs, refused subjects and slow
// consumers, which the client would otherwise keep to itself.
//
// An address or credentials file that cannot be read is an *Error with the code Usage, a server that does not answer
// or refuses us (which ends the wait at once) one with the code Unavailable. Neither shows a password or token. When
// ctx ends first, the error is its cause, at the latest after the 2 s of one attempt. The caller closes the connection.
func ConnectNATS(ctx context.Context, config NATSConfig, log *slog.Logger, wait time.Duration) (*nats.Conn, error) {
	config.URL = cmp.Or(config.URL, nats.DefaultURL)
	if err := config.check(); err != nil {
		return nil, err
	}
	var conn *nats.Conn
	try := func(context.Context) (err error) {
		conn, err = nats.Connect(config.URL, config.options(log)...)
		return err
	}
	if err := await(ctx, wait, try, refusedByNATS); err != nil {
		return nil, unavailable(ctx, fmt.Errorf("connect to nats at %s: %w", RedactNATS(config.URL), err), natsHint)
	}
	return conn, nil
}

// check reads what nats.Connect would read: its errors quote addresses whole.
func (c NATSConfig) check() error {
	for address := range strings.SplitSeq(c.URL, ",") {
		if _, err := parseNATS(address); err != nil {
			return &Error{Code: Usage, Err: fmt.Errorf("read NATS_URL: it is not an address like nats://host:4222"), Hint: natsHint}
		}
	}
	if c.Creds == "" {
		return nil
	}
	file, err := os.Open(c.Creds)
	if err != nil {
		return &Error{Code: Usage, Err: fmt.Errorf("read NATS_CREDS: %w", err), Hint: "type: export NATS_CREDS=<a credentials file>, or unset it"}
	}
	return file.Close()
}

func (c NATSConfig) options(log *slog.Logger) []nats.Option {
	options := []nats.Option{
		nats.Name(c.Name),
		nats.RetryOnFailedConnect(false), // the first connection is waited for in await, with an end
		nats.MaxReconnects(-1),
		nats.ReconnectWait(500 * time.Millisecond),
		// Without this two refusals in a row close the connection for good.
		nats.IgnoreAuthErrorAbort(),
		nats.ErrorHandler(func(_ *nats.Conn, sub *nats.Subscription, err error) { logNATSError(log, sub, err) }),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil { // nil: we closed it
				log.Warn("nats connection lost", "error", err)
			}
		}),
		nats.ReconnectHandler(func(conn *nats.Conn) { log.Info("nats connection restored", "server", conn.ConnectedServerName()) }),
	}
	if c.Creds != "" {
		options = append(options, nats.UserCredentials(c.Creds))
	}
	return options
}

// logNATSError logs what arrives outside of any call: a publish without permission, for one, only times out.
func logNATSError(log *slog.Logger, sub *nats.Subscription, err error) {
	attributes := []any{"error", err}
	if sub != nil {
		attributes = append(attributes, "subject", sub.Subject)
	}
	switch {
	case errors.Is(err, nats.ErrPermissionViolation):
		log.Error("nats refused a subject", attributes...)
	case errors.Is(err, nats.ErrSlowConsumer):
		if sub != nil {
			dropped, _ := sub.Dropped()
			attributes = append(attributes, "dropped", dropped)
		}
		log.Warn("nats dropped messages of a slow consumer", attributes...)
	default:
		log.Error("nats connection error", attributes...)
	}
}

func refusedByNATS(err error) bool {
	return errors.Is(err, nats.ErrAuthorization) || errors.Is(err, nats.ErrAuthExpired) || errors.Is(err, nats.ErrAuthRevoked)
}

// RedactNATS is a NATS_URL for texts and logs: of every address the user, which may be a token, and the password are
// replaced. An address that cannot be parsed is not shown at all.
func RedactNATS(addresses string) string {
	var shown []string
	for address := range strings.SplitSeq(addresses, ",") {
		parsed, err := parseNATS(address)
		if err != nil {
			shown = append(shown, "(unreadable)")
			continue
		}
		if parsed.User != nil {
			parsed.User = url.User("xxxxx")
		}
		shown = append(shown, parsed.String())
	}
	return strings.Join(shown, ",")
}

// parseNATS accepts what the client accepts: the scheme may be missing.
func parseNATS(address string) (*url.URL, error) {
	address = strings.TrimSpace(address)
	if !strings.Contains(address, "://") {
		address = "nats://" + address
	}
	parsed, err := url.Parse(address)
	if err == nil && parsed.Hostname() == "" {
		err = errors.New("no host")
	}
	return parsed, err
}
