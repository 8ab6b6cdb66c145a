package events_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
)

func ExampleCodec_Decode() {
	job, err := events.Codec{}.Decode(events.Message{
		Subject: "jobs.tenant.6f9619ff-8b86-4d01-b42d-00cf4fc964e1.assignments.fetch",
		Header:  nats.Header{"Oprun-Initiator": {"ada"}},
		Data:    []byte(`{"page":1}`),
		Stream:  "JOBS", Seq: 42, StoredAt: time.Unix(1763856000, 0),
	})
	fmt.Println(job.Scope, job.Type, string(job.Input), job.Initiator, err)

	_, err = events.Codec{}.Decode(events.Message{
		Subject: "jobs.tenant.6f9619ff-8b86-4d01-b42d-00cf4fc964e1.assignments.fetch",
		Data:    []byte(`{"page":1,"page":2}`),
	})
	fmt.Println(err)
	// Output:
	// tenant.6f9619ff-8b86-4d01-b42d-00cf4fc964e1 assignments.fetch {"page":1} ada <nil>
	// malformed: input: an object has the same name twice at byte 10
}

func ExamplePublisher() {
	conn, err := nats.Connect(nats.DefaultURL)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		log.Fatal(err)
	}

	// A catalogue says which inputs count; here all requests of the tenant are the same job.
	tenant := dedupe.Tenant(uuid.MustParse("6f9619ff-8b86-4d01-b42d-00cf4fc964e1"))
	identity, err := dedupe.Rule{}.Identify(tenant, "assignments.fetch", []byte(`{}`), dedupe.Occurrence{})
	if err != nil {
		log.Fatal(err)
	}
	publisher := events.NewPublisher(js, events.PublisherConfig{})
	ack, err := publisher.Publish(context.Background(), events.Request{Identity: identity, Input: []byte(`{}`)})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("stored in", ack.Stream, "suppressed:", ack.Duplicate)
}
