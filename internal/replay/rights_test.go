package replay

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"oprun.example/internal/devstack"
	"oprun.example/pkg/events"
)

// needed are the subjects that a replay must be allowed to publish to, as docs/replay.md names them.
var needed = []string{
	"jobs.>", "$JS.API.STREAM.INFO.<stream>", "$JS.API.DIRECT.GET.<stream>", "$JS.API.STREAM.MSG.GET.<stream>", "$JS.API.CONSUMER.INFO.<stream>.<consumer>",
}

// rights are those subjects of the stream and the consumer of the tests.
func rights() (subjects []string) {
	names := strings.NewReplacer("<stream>", "JOBS", "<consumer>", "oprun")
	for _, subject := range needed {
		subjects = append(subjects, names.Replace(subject))
	}
	return subjects
}

// replayerBeside gives a server a user who may do all, and one who has these rights and no others.
func replayerBeside(options *server.Options) {
	options.Users = []*server.User{
		{Username: "all", Password: "secret"},
		{Username: "replayer", Password: "secret", Permissions: &server.Permissions{
			Publish: &server.SubjectPermission{Allow: rights()}, Subscribe: &server.SubjectPermission{Allow: []string{"_INBOX.>"}},
		}},
	}
}

// What the page says a replay needs is enough.
func TestReplayNeedsTheRightsOfThePageOnly(t *testing.T) {
	t.Parallel()
	server := must(devstack.StartNATS(devstack.NATSConfig{Configure: replayerBeside}))(t)
	t.Cleanup(func() { check(t, server.Close()) })
	h := houseOn(t, server, nats.UserInfo("all", "secret"))
	h.work(h.database)
	h.publish(writes, `{"key": "a"}`)
	h.drained(h.database)
	refused := make(chan error, 8)
	conn := must(server.Connect(nats.UserInfo("replayer", "secret"), nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { refused <- err })))(t)
	t.Cleanup(conn.Close)
	h.js = must(jetstream.New(conn))(t)
	report := h.replay(h.database, Source{Messages: events.Read(t.Context(), h.js, "JOBS", events.Range{})}, Config{})
	wantRows(t, report, "1 test.write already_done succeeded")
	if len(refused) > 0 {
		t.Errorf("it was refused %v", <-refused)
	}
	page, conf := string(must(os.ReadFile("../../docs/replay.md"))(t)), string(must(os.ReadFile("../../deploy/nats/nats.conf"))(t))
	_, consumer, _ := strings.Cut(conf, "user: consumer,")
	consumer, _, _ = strings.Cut(consumer, "user: ")
	for i, right := range rights() {
		if !strings.Contains(page, "`"+needed[i]+"`") {
			t.Errorf("docs/replay.md does not name %s", needed[i])
		}
		if !strings.Contains(consumer, `"`+right+`"`) {
			t.Errorf("the consumer of deploy/nats/nats.conf has no right to %s", right)
		}
	}
}

// readerBeside gives a server a user who may do all, and one who may read streams and publish no job.
func readerBeside(options *server.Options) {
	options.Users = []*server.User{
		{Username: "all", Password: "secret"},
		{Username: "reader", Password: "secret", Permissions: &server.Permissions{
			Publish: &server.SubjectPermission{Deny: []string{"jobs.>"}},
		}},
	}
}

func TestReplayStopsWithoutTheRightToPublish(t *testing.T) {
	t.Parallel()
	server := must(devstack.StartNATS(devstack.NATSConfig{Configure: readerBeside}))(t)
	t.Cleanup(func() { check(t, server.Close()) })
	h := houseOn(t, server, nats.UserInfo("all", "secret"))
	reader := must(server.Connect(nats.UserInfo("reader", "secret"), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})))(t)
	t.Cleanup(reader.Close)
	h.js = must(jetstream.New(reader))(t)
	source := these(h.recorded(1, 0), h.recorded(2, 0), h.recorded(3, 0))
	err := h.stopsWith(source, Config{NoWait: true}, 0, "line 1: ", "may not publish here", "; nothing was published, as far as is known: 1 more were sent and not acknowledged")
	if !errors.Is(err, events.ErrNoAck) {
		t.Errorf("without the right to publish: %v", err)
	}
}
