package events

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"oprun.example/pkg/dedupe"
)

func TestReadBack(t *testing.T) {
	t.Parallel()
	ctx := deadline(t)
	js := newStream(t)
	stream := DefaultTopology().Stream

	t.Run("gives the message as it was stored, and so its occurrence", func(t *testing.T) {
		t.Parallel()
		msg := nats.NewMsg(Subjects{}.Subject(identity(t).Scope, identity(t).Type))
		msg.Header.Set(HeaderInitiator, "ada")
		msg.Data = []byte(`{"n": 1.0}`)
		ack, err := js.PublishMsg(ctx, msg)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ReadBack(ctx, js, stream, ack.Sequence)
		if err != nil {
			t.Fatal(err)
		}
		if got.Subject != msg.Subject || string(got.Data) != string(msg.Data) || got.Stream != stream || got.Seq != ack.Sequence || got.StoredAt.IsZero() {
			t.Errorf("read back %+v", got)
		}
		if diff := cmp.Diff(msg.Header, got.Header); diff != "" {
			t.Errorf("headers (-published +read back):\n%s", diff)
		}
		job, err := Codec{}.Decode(got)
		if err != nil {
			t.Fatal(err)
		}
		place := dedupe.ByPlace(stream, ack.Sequence, got.StoredAt)
		if job.Occurrence.RunID(job.Scope, job.Type) != place.RunID(job.Scope, job.Type) {
			t.Error("the message read back is another occurrence than its place")
		}
	})

	t.Run("says ErrNoMessage for a place without one, and not for a stream that is gone", func(t *testing.T) {
		t.Parallel()
		if _, err := ReadBack(ctx, js, stream, 1<<40); !errors.Is(err, ErrNoMessage) {
			t.Errorf("%v, want ErrNoMessage", err)
		}
		if _, err := ReadBack(ctx, js, "GONE", 1); errors.Is(err, ErrNoMessage) || !errors.Is(err, jetstream.ErrStreamNotFound) {
			t.Errorf("a stream that may come back: %v, want ErrStreamNotFound", err)
		}
	})

	t.Run("does not take a leader that does not answer for a lost message", func(t *testing.T) {
		t.Parallel()
		deaf, err := jetstream.NewWithAPIPrefix(js.Conn(), "nobody.answers")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ReadBack(ctx, deaf, stream, 1); err == nil || errors.Is(err, ErrNoMessage) {
			t.Errorf("error %v, want one that is not ErrNoMessage", err)
		}
	})
}

func TestAPISubject(t *testing.T) {
	t.Parallel()
	conn := newJetStream(t).Conn()
	plain, _ := jetstream.New(conn)
	domain, _ := jetstream.NewWithDomain(conn, "hub")
	prefix, _ := jetstream.NewWithAPIPrefix(conn, "imported.js")
	for want, js := range map[string]jetstream.JetStream{
		"$JS.API.STREAM.INFO.JOBS": plain, "$JS.hub.API.STREAM.INFO.JOBS": domain, "imported.js.STREAM.INFO.JOBS": prefix,
	} {
		if got := APISubject(js, "STREAM.INFO.JOBS"); got != want {
			t.Errorf("subject %s, want %s", got, want)
		}
	}
}
