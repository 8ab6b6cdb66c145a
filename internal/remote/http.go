package remote

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"oprun.example/pkg/catalog"
	"oprun.example/pkg/jobs"
)

// maxResponse is how much of a response is read, in bytes.
const maxResponse = 1 << 20

// poster runs a job by posting its input to a service.
//
// It has no http.Client, whose way with redirects would make an error of one that it cannot read.
type poster struct {
	address       string // without user and password
	host          string // names the service in texts
	authorization string // "": none
	secrets       *strings.Replacer
	carrier       http.RoundTripper
}

func (c Config) poster(h catalog.Handler) (runner, error) {
	address, err := url.Parse(h.HTTP)
	if err != nil {
		return nil, errors.New("the address cannot be read")
	}
	bearer, err := c.bearer(h.BearerEnv)
	if err != nil {
		return nil, err
	}
	p := &poster{
		host: address.Host, authorization: authorization(address.User, bearer), secrets: secrets(address, bearer),
		carrier: c.Transport,
	}
	if p.carrier == nil {
		p.carrier = transport(h.Concurrency)
	}
	address.User = nil
	p.address = address.String()
	return p.run, nil
}

// authorization is that of the bearer, else that of the user in the address.
func authorization(user *url.Userinfo, bearer string) string {
	if bearer != "" {
		return "Bearer " + bearer
	}
	if user == nil {
		return ""
	}
	password, _ := user.Password()
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user.Username()+":"+password))
}

// bearer finds the token in the environment variable of this name.
func (c Config) bearer(name string) (string, error) {
	if name == "" {
		return "", nil
	}
	token, _ := c.LookupEnv(name)
	if token == "" {
		return "", fmt.Errorf("bearer_env: the environment variable %s is not set: set it to the token", name)
	}
	if strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", fmt.Errorf("bearer_env: the environment variable %s holds what no header takes: look for a space or a line end", name)
	}
	return token, nil
}

// transport returns a transport for this many requests at once. How long a service may take is the job's time-out.
func transport(concurrency int) *http.Transport {
	const patience = 10 * time.Second // with what should take milliseconds
	return &http.Transport{
		DialContext:            (&net.Dialer{Timeout: patience}).DialContext,
		TLSHandshakeTimeout:    patience,
		MaxIdleConnsPerHost:    concurrency,
		IdleConnTimeout:        time.Minute,
		MaxResponseHeaderBytes: 64 << 10,
		ForceAttemptHTTP2:      true, // a dialer of one's own turns it off
		// A request may rightly be silent for minutes. Over HTTP/1 TCP keep-alives find out that the service is gone,
		// over HTTP/2 these do.
		HTTP2: &http.HTTP2Config{SendPingTimeout: 30 * time.Second, PingTimeout: patience},
	}
}

// secrets hides what must not be read in an error text: errors of the HTTP client may quote what a server sent, which
// may be what we had sent to it.
func secrets(address *url.URL, bearer string) *strings.Replacer {
	password, _ := address.User.Password()
	var pairs []string
	_, basic, _ := strings.Cut(authorization(address.User, ""), " ")
	for _, secret := range []string{bearer, basic, address.User.String(), password, address.RawQuery} {
		if secret != "" {
			pairs = append(pairs, secret, "[hidden]")
		}
	}
	return strings.NewReplacer(pairs...)
}

func (p *poster) run(ctx context.Context, work *jobs.Work) ending {
	request, err := p.request(ctx, work)
	if err != nil {
		return p.unanswered(ctx, err)
	}
	response, err := p.carrier.RoundTrip(request)
	if err != nil {
		return p.unanswered(ctx, err)
	}
	// What is not read of it is not waited for: the connection is closed then.
	defer func() { _ = response.Body.Close() }()
	if fate := fateOf(response.StatusCode); fate != done {
		return ending{fate: fate, after: retryAfter(response.Header, time.Now()), err: p.refusal(response.StatusCode)}
	}
	return p.answer(ctx, response)
}

func (p *poster) request(ctx context.Context, work *jobs.Work) (*http.Request, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, p.address, bytes.NewReader(work.Input))
	if err != nil {
		return nil, err
	}
	for name, value := range map[string]string{
		"Content-Type": "application/json", "Accept": "application/json", "User-Agent": "oprun",
		// Go's transport takes this one for a licence to send again on a connection that turns out to be closed.
		"Idempotency-Key": work.RunID.String(),
		"Oprun-Run-Id":    work.RunID.String(),
		"Oprun-Attempt":   strconv.Itoa(work.Attempt),
		"Oprun-Scope":     work.Scope.String(),
		"Oprun-Job-Type":  work.Type,
		"traceparent":     work.TraceParent,
		"tracestate":      work.TraceState,
		"Authorization":   p.authorization,
	} {
		if value != "" {
			request.Header.Set(name, value)
		}
	}
	return request, nil
}

// unanswered is the ending of a request without a whole response.
func (p *poster) unanswered(ctx context.Context, err error) ending {
	what := "post to " + p.host
	if ctx.Err() != nil {
		return tryAgain(stopped(ctx, what))
	}
	return tryAgain(fmt.Errorf("%s: %s", what, p.secrets.Replace(err.Error())))
}

// fateOf reads a status.
func fateOf(status int) fate {
	switch {
	case status >= 200 && status < 300:
		return done
	case status == http.StatusRequestTimeout, status == http.StatusTooEarly, status == http.StatusTooManyRequests,
		status >= 500 && status < 600:
		return again
	default:
		return forGood
	}
}

// refusal names a status by the standard's words: the response's own may say anything.
func (p *poster) refusal(status int) error {
	text := fmt.Sprintf("%s answered %d %s", p.host, status, http.StatusText(status))
	if status >= 300 && status < 400 {
		text += ": redirects are not followed"
	}
	return errors.New(text)
}

// answer reads the body of a 2xx.
func (p *poster) answer(ctx context.Context, response *http.Response) ending {
	body, err := io.ReadAll(io.LimitReader(response.Body, maxResponse+1))
	if err != nil {
		return p.unanswered(ctx, err)
	}
	if len(body) > maxResponse {
		return unreadable(errors.New("the response is larger than 1 MiB"))
	}
	said, err := fromBody(response.Header.Get("Content-Type"), body)
	if err != nil {
		return unreadable(err)
	}
	return ending{report: said}
}
