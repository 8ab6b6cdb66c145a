package main

import (
	"encoding/json"
	"os"
	"unicode"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rogpeppe/go-internal/testscript"
)

// evil clears a screen, renames a terminal, forges a line, and does the first once more in one character.
const evil = "\x1b[2J\x1b]0;owned\x07\r\nforged\u009b2J"

// hostile sends a tenant jobs whose every part tries to steer the terminal of whoever looks at it.
func hostile(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 1, "hostile TENANT")
	conn, err := nats.Connect(ts.Getenv("NATS_URL"), nats.SkipSubjectValidation())
	ts.Check(err)
	defer conn.Close()
	js, err := jetstream.New(conn)
	ts.Check(err)
	const inHeader = "\x1b[2J\x1b]0;owned\x07\u009b2J" // a header has no lines
	subject := "jobs.tenant." + args[0] + ".greetings.send"
	body, err := json.Marshal(map[string]string{"name": evil})
	ts.Check(err)
	for _, m := range []*nats.Msg{
		{Data: body, Header: nats.Header{"X-Evil": {inHeader}}},
		{Data: body, Header: nats.Header{"Oprun-Request-Id": {inHeader}}},
		{Data: body, Header: nats.Header{"Oprun-Initiator": {inHeader}}},
		{Data: body, Header: nats.Header{"Oprun-Version": {inHeader}}},
		{Data: body, Header: nats.Header{"Oprun-Run-Id": {inHeader}}},
		{Data: body, Header: nats.Header{"Oprun-Occurrence": {inHeader}}},
		{Data: body, Header: nats.Header{"ce-specversion": {"1.0"}, "ce-type": {inHeader}, "ce-id": {"1"}, "ce-source": {"/a"}}},
		{Data: []byte(evil)},
		{Data: []byte(`{"name": "` + evil + `"}`)},
		{Data: body, Subject: "jobs.tenant." + args[0] + ".greetings.send\x1b[2J\u009b2J"},
		{Data: body, Subject: "jobs.\x1b[2J"},
	} {
		if m.Subject == "" {
			m.Subject = subject
		}
		_, err := js.PublishMsg(testOf(ts).Context(), m)
		ts.Check(err)
	}
}

// inert fails the script when a file holds a character that is none of a text's: it could steer a terminal.
func inert(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 1, "inert FILE...")
	for _, name := range args {
		text, err := os.ReadFile(ts.MkAbs(name))
		ts.Check(err)
		if len(text) == 0 {
			ts.Fatalf("%s is empty", name)
		}
		for at, r := range string(text) {
			if r != '\n' && !unicode.IsPrint(r) {
				ts.Fatalf("%s has %q at %d: %q", name, r, at, text[max(0, at-100):min(len(text), at+20)])
			}
		}
	}
}
