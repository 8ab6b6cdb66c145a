package events

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

func TestApply_keeps_what_it_does_not_own(t *testing.T) {
	t.Parallel()
	js := newJetStream(t)
	mustApply(t, js, small(), false)
	drift(t, js, func(c *jetstream.StreamConfig) {
		c.Description, c.Compression, c.DenyDelete = "ours", jetstream.S2Compression, true
		c.Metadata["team"], c.MaxMsgs = "jobs", 1_000_000
		c.AllowDirect = false // this one it owns
	})
	driftConsumer(t, js, func(c *jetstream.ConsumerConfig) {
		c.Description, c.SampleFrequency, c.MaxRequestBatch = "ours", "10%", 256
		c.Metadata["team"], c.MaxAckPending = "jobs", 1000
	})
	wantStream, wantConsumer := streamOf(t, js), consumerOf(t, js)
	wantStream.AllowDirect, wantConsumer.MaxAckPending = true, 65536

	if plan := mustApply(t, js, small(), false); len(plan.Changes) != 2 {
		t.Error(plan)
	}
	if diff := cmp.Diff(wantStream, streamOf(t, js)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(wantConsumer, consumerOf(t, js)); diff != "" {
		t.Error(diff)
	}
}

func TestApply_raises_a_limit_unasked(t *testing.T) {
	t.Parallel()
	js, topology := newJetStream(t), small()
	mustApply(t, js, topology, false)
	topology.MaxBytes, topology.MaxAge, topology.MaxMsgSize = 0, 30*24*time.Hour, 2<<20
	mustApply(t, js, topology, false)
	wantNoChanges(t, js, topology)
}

func TestApply_refuses_what_may_lose_jobs_until_forced(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*Topology){
		"a_lower_max_bytes":    func(t *Topology) { t.MaxBytes /= 2 },
		"a_lower_max_age":      func(t *Topology) { t.MaxAge /= 2 },
		"a_lower_max_msg_size": func(t *Topology) { t.MaxMsgSize /= 2 },
		"other_subjects":       func(t *Topology) { t.Subjects.Prefix = "work" },
		"another_filter":       func(t *Topology) { t.Types = []string{fetchType} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			js, topology := newJetStream(t), small()
			mustApply(t, js, topology, false)
			change(&topology)
			before := streamOf(t, js)

			plan, err := topology.Apply(deadline(t), js, false)
			destructive, ok := errors.AsType[*DestructiveError](err)
			if !ok || len(destructive.Changes) != 1 || !strings.Contains(err.Error(), "--force") {
				t.Fatalf("got %v\n%v", err, plan)
			}
			if diff := cmp.Diff(before, streamOf(t, js)); diff != "" {
				t.Error(diff)
			}
			mustApply(t, js, topology, true)
			wantNoChanges(t, js, topology)
		})
	}
}

func TestApply_refuses_what_no_server_can_change(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]struct {
		stream   func(*jetstream.StreamConfig)
		consumer func(*jetstream.ConsumerConfig)
	}{
		"work_queue retention": {stream: func(c *jetstream.StreamConfig) { c.Retention = jetstream.WorkQueuePolicy }},
		"memory storage":       {stream: func(c *jetstream.StreamConfig) { c.Storage = jetstream.MemoryStorage }},
		"async persist_mode": {stream: func(c *jetstream.StreamConfig) {
			c.PersistMode, c.AllowAtomicPublish = jetstream.AsyncPersistMode, false
		}},
		"all ack_policy":       {consumer: func(c *jetstream.ConsumerConfig) { c.AckPolicy = jetstream.AckAllPolicy }},
		"new deliver_policy":   {consumer: func(c *jetstream.ConsumerConfig) { c.DeliverPolicy = jetstream.DeliverNewPolicy }},
		"push deliver_subject": {consumer: func(c *jetstream.ConsumerConfig) { c.DeliverSubject = "somewhere" }},
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			js, topology := newJetStream(t), small()
			stream, consumer := topology.streamConfig(), topology.consumerConfig()
			if change.stream != nil {
				change.stream(&stream)
			}
			if _, err := js.CreateStream(deadline(t), stream); err != nil {
				t.Fatal(err)
			}
			if change.consumer != nil {
				change.consumer(&consumer)
				if err := createAny(deadline(t), js, consumer); err != nil {
					t.Fatal(err)
				}
			}
			before := streamOf(t, js)
			_, err := topology.Apply(deadline(t), js, true)
			fixed, ok := errors.AsType[*UnchangeableError](err)
			_, field, _ := strings.Cut(name, " ")
			if !ok || len(fixed.Changes) != 1 || fixed.Changes[0].Field != field || !strings.Contains(err.Error(), field) {
				t.Fatalf("got %v", err)
			}
			if diff := cmp.Diff(before, streamOf(t, js)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func createAny(ctx context.Context, js jetstream.JetStream, config jetstream.ConsumerConfig) error {
	if config.DeliverSubject != "" {
		_, err := js.CreatePushConsumer(ctx, "JOBS", config)
		return err
	}
	_, err := js.CreateConsumer(ctx, "JOBS", config)
	return err
}

func TestApply_mends_what_would_lose_jobs(t *testing.T) {
	t.Parallel()
	js := newJetStream(t)
	mustApply(t, js, small(), false)
	drift(t, js, func(c *jetstream.StreamConfig) {
		c.MaxMsgsPerSubject, c.DiscardNewPerSubject, c.AllowRollup = 5, true, true
		c.Retention = jetstream.InterestPolicy
	})
	driftConsumer(t, js, func(c *jetstream.ConsumerConfig) {
		c.MaxDeliver, c.BackOff = 5, []time.Duration{time.Second, time.Minute}
		c.InactiveThreshold, c.HeadersOnly = time.Hour, true
	})
	mustApply(t, js, small(), false)
	wantNoChanges(t, js, small())
}

func TestPlan_takes_a_filter_in_either_spelling(t *testing.T) {
	t.Parallel()
	js, topology := newJetStream(t), small()
	topology.Types = []string{fetchType}
	mustApply(t, js, topology, false)
	driftConsumer(t, js, func(c *jetstream.ConsumerConfig) {
		c.FilterSubject, c.FilterSubjects = "jobs.*.*."+fetchType, nil
	})
	wantNoChanges(t, js, topology)
}

func TestApply_names_the_stream_that_is_in_the_way(t *testing.T) {
	t.Parallel()
	js := newJetStream(t)
	if _, err := js.CreateStream(deadline(t), jetstream.StreamConfig{Name: "OTHER", Subjects: []string{"jobs.>"}}); err != nil {
		t.Fatal(err)
	}
	_, err := small().Apply(deadline(t), js, false)
	if err == nil || !strings.Contains(err.Error(), "stream OTHER takes jobs.> already") {
		t.Errorf("got %v", err)
	}
}

// A cluster without a leader swallows requests.
func TestApply_asks_again_when_nobody_answers(t *testing.T) {
	t.Parallel()
	conn := connect(t, startServer(t, &server.Options{JetStream: true}))
	first := true
	_, err := conn.Subscribe("SLOW.>", func(msg *nats.Msg) {
		if first {
			first = false
			return
		}
		_ = conn.PublishRequest("$JS.API."+strings.TrimPrefix(msg.Subject, "SLOW."), msg.Reply, msg.Data)
	})
	if err != nil {
		t.Fatal(err)
	}
	js, err := jetstream.NewWithAPIPrefix(conn, "SLOW")
	if err != nil {
		t.Fatal(err)
	}
	mustApply(t, js, small(), false)
	wantNoChanges(t, js, small())
}

func TestApply_fails_clearly(t *testing.T) {
	t.Parallel()
	t.Run("without_JetStream", func(t *testing.T) {
		t.Parallel()
		js := jetStreamOn(t, connect(t, startServer(t, &server.Options{})))
		if _, err := small().Apply(deadline(t), js, false); err == nil || !strings.Contains(err.Error(), "not enabled") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("when_nobody_answers_before_the_context_ends", func(t *testing.T) {
		t.Parallel()
		conn := connect(t, startServer(t, &server.Options{}))
		if _, err := conn.Subscribe("$JS.API.>", func(*nats.Msg) {}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(deadline(t), 50*time.Millisecond)
		defer cancel()
		_, err := small().Apply(ctx, jetStreamOn(t, conn), false)
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "no leader") {
			t.Errorf("got %v", err)
		}
	})
}

func TestTopologyFor(t *testing.T) {
	t.Parallel()
	all := DefaultTopology()
	some := all.For("b.two", "a.one", "b.two")
	if some.Consumer == all.Consumer || some.Consumer != all.For("a.one", "b.two").Consumer {
		t.Errorf("consumer %q: want a name of its own that depends on the types alone", some.Consumer)
	}
	if diff := cmp.Diff([]string{"a.one", "b.two"}, some.Types); diff != "" {
		t.Errorf("types (-want +got):\n%s", diff)
	}
	if got := all.For(); got.Consumer != all.Consumer {
		t.Errorf("no types gave consumer %q", got.Consumer)
	}
	if err := some.Validate(); err != nil {
		t.Error(err)
	}
}
