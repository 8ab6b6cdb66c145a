package remote

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"oprun.example/pkg/catalog"
	"oprun.example/pkg/jobs"
)

func TestPostTriesAgainWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	for name, address := range map[string]string{
		"nobody listens":            nobody(t),
		"it hangs up":               peer(t, func(net.Conn, []byte) {}),
		"it hangs up in its answer": peer(t, func(c net.Conn, _ []byte) { _, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{") }),
		"it does not speak HTTP":    peer(t, func(c net.Conn, _ []byte) { _, _ = io.WriteString(c, "SSH-2.0-OpenSSH\r\n") }),
		"its headers have no end":   service(t, answering(200, http.Header{"X-Long": {strings.Repeat("x", 100_000)}}, "")),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := post(t.Context(), t, catalog.Handler{HTTP: address})
			if e.fate != again || e.after != 0 || e.err == nil {
				t.Errorf("fate %d after %s: %v", e.fate, e.after, e.err)
			}
		})
	}
}

// nobody is an address where nobody listens.
func nobody(t *testing.T) string {
	t.Helper()
	closed := must(net.Listen("tcp", "127.0.0.1:0"))(t)
	check(t, closed.Close())
	return "http://" + closed.Addr().String()
}

// peer is a TCP server that reads each request and then does as it likes.
func peer(t *testing.T, act func(net.Conn, []byte)) string {
	t.Helper()
	listener := must(net.Listen("tcp", "127.0.0.1:0"))(t)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			request := make([]byte, 4096)
			n, _ := conn.Read(request)
			act(conn, request[:n])
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() {
		_ = listener.Close()
		<-ended
	})
	return "http://" + listener.Addr().String()
}

func TestPostErrorsKeepSecrets(t *testing.T) {
	t.Parallel()
	echo := peer(t, func(c net.Conn, request []byte) { _, _ = c.Write(request) })
	saying := func(secret string) string {
		return peer(t, func(c net.Conn, _ []byte) { _, _ = io.WriteString(c, secret+"\r\n\r\n") })
	}
	refusing := service(t, answering(404, nil, "s3cr3t"))
	secrets := []string{"somebody", "pa55word", "qu3ry", "s3cr3t", "c29tZWJvZHk6cGE1NXdvcmQ="}
	for _, server := range []string{echo, nobody(t), refusing, saying(secrets[3]), saying(secrets[4]), saying(secrets[1])} {
		host := strings.TrimPrefix(server, "http://")
		e := post(t.Context(), t, catalog.Handler{
			HTTP: "http://somebody:pa55word@" + host + "/?key=qu3ry", BearerEnv: "TOKEN",
		})
		if e.fate == done {
			t.Errorf("%s: done", server)
			continue
		}
		wantText(t, e.err, host)
		wantNone(t, e.err, secrets...)
	}
}

func TestPostEndsWithItsContext(t *testing.T) {
	t.Parallel()
	for name, head := range map[string]string{
		"before the answer": "",
		"within the answer": `{"outcome":`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			arrived, left := make(chan struct{}), make(chan struct{})
			address := service(t, func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				if head != "" {
					_, _ = io.WriteString(w, head)
					_ = http.NewResponseController(w).Flush()
				}
				close(arrived)
				<-r.Context().Done()
				close(left)
			})
			ctx, cancel := context.WithCancelCause(t.Context())
			go func() {
				<-arrived
				cancel(jobs.ErrCancelRequested)
			}()
			e := post(ctx, t, catalog.Handler{HTTP: address})
			if e.fate != again || e.after != 0 || !errors.Is(e.err, context.Canceled) {
				t.Errorf("fate %d after %s: %v", e.fate, e.after, e.err)
			}
			wantText(t, e.err, jobs.ErrCancelRequested.Error())
			<-left
		})
	}
}

func TestPostUsesNoProxyOfTheEnvironment(t *testing.T) {
	t.Parallel()
	if transport(1).Proxy != nil {
		t.Error("there is a proxy")
	}
}
