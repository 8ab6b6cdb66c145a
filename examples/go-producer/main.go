// Command go-producer asks for one job: go-producer <tenant> <connection id> <policy type> [request id]. NATS_URL says
// where NATS is; the catalogue is ./jobs.yaml. It links no Postgres and no Prometheus.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"oprun.example/pkg/catalog"
	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
)

const jobType = "assignments.fetch"

type fetch struct {
	ConnectionID string `json:"connection_id"`
	PolicyType   string `json:"policy_type"`
}

func main() {
	log.SetFlags(0)
	args := append(os.Args[1:], "", "", "", "")
	types := must(catalog.Load("jobs.yaml"))
	conn := must(nats.Connect(cmp.Or(os.Getenv("NATS_URL"), nats.DefaultURL)))
	defer conn.Close()

	publisher := events.NewPublisher(must(jetstream.New(conn)), events.PublisherConfig{})
	input := must(json.Marshal(fetch{ConnectionID: args[1], PolicyType: args[2]}))
	// Asked again with it, even tomorrow, it is the same request and runs once.
	requestID := cmp.Or(args[3], must(events.NewRequestID()))
	// What makes two jobs the same is the catalogue's to say.
	identity := must(types.Jobs[jobType].Rule().Identify(
		dedupe.Tenant(must(uuid.Parse(args[0]))), jobType, input, dedupe.ByRequest(requestID, time.Time{})))
	ack, err := publisher.Publish(context.Background(), events.Request{
		Identity: identity, Input: input, RequestID: requestID, Initiator: "go-producer",
	})
	if errors.Is(err, events.ErrNoAck) {
		fmt.Fprintln(os.Stderr, "nobody knows whether the stream has it: ask again with the request id", requestID)
	}
	if err != nil { // events.ErrNoStream, events.ErrStreamFull, or a *events.Refusal of the input
		log.Fatal(err)
	}
	fmt.Printf("%s has it as message %d (again: %t), request id %s\n", ack.Stream, ack.Seq, ack.Duplicate, ack.RequestID)
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}
