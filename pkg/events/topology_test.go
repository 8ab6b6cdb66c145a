package events

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/nats-io/nats.go/jetstream"
)

// small is a topology with limits that can be raised and lowered.
func small() Topology {
	topology := DefaultTopology()
	topology.MaxBytes = 64 << 20
	return topology
}

func mustApply(t *testing.T, js jetstream.JetStream, topology Topology, force bool) Plan {
	t.Helper()
	plan, err := topology.Apply(deadline(t), js, force)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

func wantNoChanges(t *testing.T, js jetstream.JetStream, topology Topology) {
	t.Helper()
	plan, err := topology.Plan(deadline(t), js)
	if err != nil || len(plan.Changes) != 0 || plan.String() != "no changes\n" {
		t.Errorf("%v\n%v", err, plan)
	}
}

func streamOf(t *testing.T, js jetstream.JetStream) jetstream.StreamConfig {
	t.Helper()
	stream, err := js.Stream(deadline(t), "JOBS")
	if err != nil {
		t.Fatal(err)
	}
	return stream.CachedInfo().Config
}

func consumerOf(t *testing.T, js jetstream.JetStream) jetstream.ConsumerConfig {
	t.Helper()
	consumer, err := js.Consumer(deadline(t), "JOBS", "oprun")
	if err != nil {
		t.Fatal(err)
	}
	return consumer.CachedInfo().Config
}

// drift changes the stream behind the topology's back.
func drift(t *testing.T, js jetstream.JetStream, change func(*jetstream.StreamConfig)) {
	t.Helper()
	config := streamOf(t, js)
	change(&config)
	if _, err := js.UpdateStream(deadline(t), config); err != nil {
		t.Fatal(err)
	}
}

func driftConsumer(t *testing.T, js jetstream.JetStream, change func(*jetstream.ConsumerConfig)) {
	t.Helper()
	config := consumerOf(t, js)
	change(&config)
	if _, err := js.UpdateConsumer(deadline(t), "JOBS", config); err != nil {
		t.Fatal(err)
	}
}

func TestTopology_is_that_of_the_contract(t *testing.T) {
	t.Parallel()
	js := newJetStream(t)
	topology := DefaultTopology()
	topology.MaxBytes = 1 << 30
	mustApply(t, js, topology, false)

	wantStream := jetstream.StreamConfig{
		Name: "JOBS", Subjects: []string{"jobs.>"}, Retention: jetstream.LimitsPolicy, Storage: jetstream.FileStorage,
		Discard: jetstream.DiscardNew, MaxAge: 168 * time.Hour, MaxBytes: 1 << 30, MaxMsgSize: 1 << 20, MaxMsgs: -1,
		MaxMsgsPerSubject: -1, MaxConsumers: -1, Duplicates: 2 * time.Minute, Replicas: 1, AllowDirect: true, AllowAtomicPublish: true,
	}
	if diff := cmp.Diff(wantStream, streamOf(t, js), cmpopts.IgnoreFields(jetstream.StreamConfig{}, "Metadata")); diff != "" {
		t.Error(diff)
	}
	wantConsumer := jetstream.ConsumerConfig{
		Name: "oprun", Durable: "oprun", AckPolicy: jetstream.AckExplicitPolicy, AckWait: 30 * time.Second, MaxDeliver: -1,
		MaxAckPending: 65536, MaxWaiting: 512,
	}
	if diff := cmp.Diff(wantConsumer, consumerOf(t, js), cmpopts.IgnoreFields(jetstream.ConsumerConfig{}, "Metadata")); diff != "" {
		t.Error(diff)
	}
}

func TestPlan(t *testing.T) {
	t.Parallel()
	t.Run("shows_everything_of_a_new_topology_and_changes_nothing", func(t *testing.T) {
		t.Parallel()
		js := newJetStream(t)
		for range 2 {
			plan, err := small().Plan(deadline(t), js)
			if err != nil || len(plan.Changes) != len(streamFields)+len(consumerFields) {
				t.Errorf("%v\n%v", err, plan)
			}
		}
	})
	t.Run("is_empty_after_it_was_applied", func(t *testing.T) {
		t.Parallel()
		js := newJetStream(t)
		mustApply(t, js, small(), false)
		wantNoChanges(t, js, small())
		if plan := mustApply(t, js, small(), false); len(plan.Changes) != 0 {
			t.Error(plan)
		}
	})
	t.Run("is_empty_with_types_and_another_prefix", func(t *testing.T) {
		t.Parallel()
		js, topology := newJetStream(t), DefaultTopology()
		topology.Stream, topology.Consumer, topology.Subjects.Prefix = "WORK", "fetchers", "acme.work"
		for _, types := range [][]string{{fetchType}, {fetchType, "a.b"}} {
			topology.Types = types
			mustApply(t, js, topology, true)
			wantNoChanges(t, js, topology)
		}
	})
	t.Run("shows_drift_as_a_table", func(t *testing.T) {
		t.Parallel()
		js := newJetStream(t)
		mustApply(t, js, small(), false)
		drift(t, js, func(c *jetstream.StreamConfig) { c.MaxAge, c.Discard = 0, jetstream.DiscardOld })
		driftConsumer(t, js, func(c *jetstream.ConsumerConfig) { c.AckWait = time.Minute })
		plan, err := small().Plan(deadline(t), js)
		want := "" +
			"OBJECT          FIELD     FROM       TO        NOTE\n" +
			"stream JOBS     discard   old        new       \n" +
			"stream JOBS     max_age   unlimited  168h0m0s  destructive\n" +
			"consumer oprun  ack_wait  1m0s       30s       \n"
		if diff := cmp.Diff(want, plan.String()); err != nil || diff != "" {
			t.Errorf("%v\n%s", err, diff)
		}
	})
}

func TestTopology_refuses_settings_that_cannot_work(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*Topology){
		"no_stream":               func(t *Topology) { t.Stream = "" },
		"a_consumer_with_a_dot":   func(t *Topology) { t.Consumer = "a.b" },
		"a_prefix_of_events":      func(t *Topology) { t.Subjects.Prefix = "events" },
		"messages_below_an_input": func(t *Topology) { t.MaxMsgSize = MaxInputBytes },
		"a_window_beyond_the_age": func(t *Topology) { t.MaxAge = time.Minute },
		"no_window":               func(t *Topology) { t.Duplicates = 0 },
		"no_replica":              func(t *Topology) { t.Replicas = 0 },
		"no_ack_wait":             func(t *Topology) { t.AckWait = 0 },
		"no_pending_acks":         func(t *Topology) { t.MaxAckPending = 0 },
		"a_type_that_is_none":     func(t *Topology) { t.Types = []string{"a.*"} },
	} {
		topology := DefaultTopology()
		change(&topology)
		if _, err := topology.Plan(deadline(t), nil); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}
