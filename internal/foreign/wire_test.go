package foreign

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"
)

// wire is a client without a library: it writes and reads the lines of the NATS protocol, INFO, CONNECT, SUB, PUB, HPUB,
// MSG, HMSG and PING, and nothing that a library would make of them.
type wire struct {
	t     *testing.T
	conn  net.Conn
	in    *bufio.Reader
	inbox string
	sent  int
}

// dial connects, as a user if one is given, and subscribes to its inbox.
func dial(t *testing.T, address string, user ...string) *wire {
	t.Helper()
	at, err := url.Parse(address)
	check(t, err)
	conn, err := net.Dial("tcp", at.Host)
	check(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	check(t, conn.SetDeadline(time.Now().Add(patience)))
	w := &wire{t: t, conn: conn, in: bufio.NewReader(conn), inbox: "_INBOX.raw"}
	if info := w.line(); !strings.HasPrefix(info, `INFO {`) {
		t.Fatalf("the server began with %q", info)
	}
	options := map[string]any{"verbose": false, "pedantic": false, "lang": "raw", "headers": true, "no_responders": true}
	if len(user) > 0 {
		options["user"], options["pass"] = user[0], user[0]
	}
	text, err := json.Marshal(options)
	check(t, err)
	w.write("CONNECT " + string(text) + "\r\nSUB " + w.inbox + ".* 1\r\nPING\r\n")
	if answer := w.line(); answer != "PONG" {
		t.Fatalf("the server answered %q to PING", answer)
	}
	return w
}

func (w *wire) write(text string) {
	w.t.Helper()
	_, err := io.WriteString(w.conn, text)
	check(w.t, err)
}

func (w *wire) line() string {
	w.t.Helper()
	line, err := w.in.ReadString('\n')
	check(w.t, err)
	return strings.TrimRight(line, "\r\n")
}

// puback is what JetStream answers to a publication, as it is written.
type puback struct {
	Stream    string
	Seq       uint64
	Duplicate bool
	Error     *struct {
		Code        int
		ErrCode     int `json:"err_code"`
		Description string
	}
	status string // of an answer that is the server's and not JetStream's, such as "503"
	err    string // what the server said instead of answering: -ERR
}

// block is the header block of these lines.
func block(lines ...string) string {
	return "NATS/1.0\r\n" + strings.Join(append(lines, "\r\n"), "\r\n")
}

// publish sends one message, with this header block if it is not empty, and returns the answer.
func (w *wire) publish(subject, header, body string) puback {
	w.t.Helper()
	w.sent++
	reply := w.inbox + "." + strconv.Itoa(w.sent)
	if header == "" {
		w.write(fmt.Sprintf("PUB %s %s %d\r\n%s\r\n", subject, reply, len(body), body))
	} else {
		w.write(fmt.Sprintf("HPUB %s %s %d %d\r\n%s%s\r\n", subject, reply, len(header), len(header)+len(body), header, body))
	}
	return w.answer(reply)
}

// accept is publish of what the stream is to store.
func (w *wire) accept(subject, header, body string) puback {
	w.t.Helper()
	ack := w.publish(subject, header, body)
	if ack.Stream != "JOBS" || ack.Seq == 0 || ack.Error != nil {
		w.t.Fatalf("the answer to %q is %+v", header, ack)
	}
	return ack
}

// fill publishes until the stream takes no more, and returns its last answer.
func (w *wire) fill(subject string) (last puback) {
	w.t.Helper()
	for last.Error == nil && last.err == "" {
		last = w.publish(subject, "", input("one more"))
	}
	return last
}

// answer reads on until the reply is there.
func (w *wire) answer(reply string) (ack puback) {
	w.t.Helper()
	for {
		line := w.line()
		words := strings.Fields(line)
		switch words[0] {
		case "PING":
			w.write("PONG\r\n")
		case "INFO":
		case "-ERR":
			return puback{err: line}
		case "MSG", "HMSG":
			size, err := strconv.Atoi(words[len(words)-1])
			check(w.t, err)
			payload := make([]byte, size+len("\r\n"))
			_, err = io.ReadFull(w.in, payload)
			check(w.t, err)
			if words[1] != reply {
				w.t.Fatalf("an answer to %q, not to %q", words[1], reply)
			}
			if words[0] == "HMSG" {
				status, _, _ := bytes.Cut(payload, []byte("\r\n"))
				return puback{status: strings.TrimPrefix(string(status), "NATS/1.0 ")}
			}
			check(w.t, json.Unmarshal(payload[:size], &ack))
			return ack
		default:
			w.t.Fatalf("the server said %q", line)
		}
	}
}
