package jobs

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/url"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// proxy stands between a worker and Postgres, and is the network's worst day: it holds back whatever is sent, or
// loses the reply to one chosen statement.
type proxy struct {
	t        testing.TB
	listener net.Listener
	network  string // of Postgres
	address  string
	url      string // for whoever is to come through here
	work     sync.WaitGroup

	mu      sync.Mutex
	flowing chan struct{} // closed while bytes flow
	lose    []byte        // the reply to what holds this is lost, once; nil: none
	lost    chan struct{} // closed when it was
	strand  []byte        // what holds this never arrives, so many times
	strands int
	torn    chan struct{} // but for what comes before its last statement; its clients learn of it when this is closed. Nil: nothing arrives
	conns   map[net.Conn]bool
	closed  bool
}

func newProxy(t testing.TB, database string) *proxy {
	t.Helper()
	config := must(pgconn.ParseConfig(database))(t)
	p := &proxy{t: t, flowing: make(chan struct{}), conns: map[net.Conn]bool{}}
	close(p.flowing)
	p.network, p.address = pgconn.NetworkAddress(config.Host, config.Port)
	p.listener = must((&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0"))(t)
	through := url.URL{Scheme: "postgres", User: url.User(config.User), Host: p.listener.Addr().String(), Path: "/" + config.Database, RawQuery: "sslmode=disable"}
	p.url = through.String()
	p.work.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

// freeze lets no byte through, in either direction, until thaw. Connections stay open, as they do when a host
// vanishes.
func (p *proxy) freeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.flowing = make(chan struct{})
}

func (p *proxy) thaw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.flowing:
	default:
		close(p.flowing)
	}
}

// loseReplyTo cuts the connection that sends these bytes after Postgres has answered them, and keeps the answer to
// itself. It happens once; the channel is closed when it has.
func (p *proxy) loseReplyTo(text string) <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lose, p.lost = []byte(text), make(chan struct{})
	return p.lost
}

// strandRequests lets the next n requests with these bytes never arrive, while Postgres goes on to believe in the
// sessions that sent them: nobody tells it that the other side has given up.
func (p *proxy) strandRequests(n int, text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.strand, p.strands, p.torn = []byte(text), n, nil
}

// tearRequests is strandRequests for the last statement of each request: those before it arrive. Nobody learns that a
// connection is lost before tell is called: else who asks Postgres about it could be there first.
func (p *proxy) tearRequests(n int, text string) (tell func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	torn := make(chan struct{})
	p.strand, p.strands, p.torn = []byte(text), n, torn
	tell = sync.OnceFunc(func() { close(torn) })
	p.t.Cleanup(tell)
	return tell
}

func (p *proxy) close() {
	_ = p.listener.Close()
	p.thaw()
	p.mu.Lock()
	p.closed = true
	for conn := range p.conns {
		_ = conn.Close()
	}
	p.mu.Unlock()
	p.work.Wait()
}

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := (&net.Dialer{}).DialContext(context.Background(), p.network, p.address)
		if err != nil { // Postgres is away: the client learns it as from a host without one
			_ = client.Close()
			continue
		}
		if !p.keep(client, server) {
			return
		}
		r := &relayed{proxy: p, client: client, server: server}
		p.work.Go(func() { r.copy(server, client, r.asked) })
		p.work.Go(func() { r.copy(client, server, r.answered) })
	}
}

func (p *proxy) keep(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, conn := range conns {
		if p.closed {
			_ = conn.Close()
		}
		p.conns[conn] = true
	}
	return !p.closed
}

// relayed is one connection through the proxy.
type relayed struct {
	*proxy
	client, server net.Conn

	mu       sync.Mutex
	losing   bool            // the next answer
	stranded bool            // the session outlives its client
	told     <-chan struct{} // when the client may learn of it; nil: at once
}

// copy passes on as much as look allows, until it has an error or either side is closed.
func (r *relayed) copy(to, from net.Conn, look func([]byte) (int, error)) {
	defer func() {
		_ = r.client.Close()
		r.mu.Lock()
		defer r.mu.Unlock()
		if !r.stranded {
			_ = r.server.Close()
		}
	}()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		r.proxy.mu.Lock()
		flowing := r.flowing
		r.proxy.mu.Unlock()
		<-flowing
		pass, stop := look(buffer[:n])
		_, err = to.Write(buffer[:pass])
		if stop != nil && r.told != nil {
			<-r.told
		}
		if err != nil || stop != nil {
			return
		}
	}
}

func (r *relayed) asked(sent []byte) (pass int, err error) {
	r.proxy.mu.Lock()
	defer r.proxy.mu.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lose != nil && bytes.Contains(sent, r.lose) {
		r.lose, r.losing = nil, true
	}
	if r.strands > 0 && bytes.Contains(sent, r.strand) {
		r.strands--
		r.stranded = true
		if r.torn != nil {
			pass, r.told = lastStatement(sent), r.torn
		}
		return pass, fmt.Errorf("the request is lost")
	}
	return len(sent), nil
}

// lastStatement is where the last statement of a request in the extended protocol begins: with a Bind. Each message is its
// type, its length and its body.
func lastStatement(sent []byte) (at int) {
	for next := 0; next+5 <= len(sent); next += 1 + int(binary.BigEndian.Uint32(sent[next+1:])) {
		if sent[next] == 'B' {
			at = next
		}
	}
	return at
}

func (r *relayed) answered(got []byte) (pass int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.losing {
		return len(got), nil
	}
	close(r.lost)
	return 0, fmt.Errorf("the reply is lost")
}
