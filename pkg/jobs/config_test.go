package jobs

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"oprun.example/pkg/catalog"
	"oprun.example/pkg/events"
)

// A worker refuses at once, and by name, what it cannot do as promised.
func TestNewWorkerRefuses(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		jobs  map[string]catalog.Job
		types []string
		want  []string // in the error
	}{
		"types without handlers": {
			jobs: map[string]catalog.Job{testType: testJob("key"), "test.b": testJob("key"), "test.a": testJob("key")},
			want: []string{"no handler for test.a, test.b"},
		},
		"types that nobody declares": {
			jobs: map[string]catalog.Job{testType: testJob("key")}, types: []string{"test.unheard_of"},
			want: []string{"test.unheard_of"},
		},
		"an empty catalogue": {want: []string{"the catalogue is empty"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			declared := must(catalog.New(catalog.Catalog{Jobs: test.jobs}, nil))(t)
			registry := prometheus.NewRegistry()
			_, err := NewWorker(nil, nil, declared, writing(), Config{Types: test.types, Registry: registry})
			if err == nil {
				t.Fatal("it was not refused")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error is %q, want %q in it", err, want)
				}
			}
			if families := must(registry.Gather())(t); len(families) > 0 {
				t.Errorf("a worker that does not exist left %d metrics in the registry", len(families))
			}
		})
	}
}

// Run refuses a consumer that would make it lose jobs, bury them, or run them for ever.
func TestRunRefuses(t *testing.T) {
	t.Parallel()
	good := jetstream.ConsumerConfig{Durable: "oprun", AckPolicy: jetstream.AckExplicitPolicy, AckWait: time.Second, MaxDeliver: -1}
	for name, test := range map[string]struct {
		change func(*jetstream.ConsumerConfig)
		config Config
		want   string // in the error; empty: it is not refused
	}{
		"a consumer that acknowledges many with one": {
			change: func(c *jetstream.ConsumerConfig) { c.AckPolicy = jetstream.AckAllPolicy }, want: "ack policy",
		},
		"a consumer that acknowledges by itself": {
			change: func(c *jetstream.ConsumerConfig) { c.AckPolicy = jetstream.AckNonePolicy }, want: "ack policy",
		},
		"a consumer that gives up": {
			change: func(c *jetstream.ConsumerConfig) { c.MaxDeliver = 5 }, want: "max deliver",
		},
		"a consumer with a backoff": {
			change: func(c *jetstream.ConsumerConfig) { c.BackOff = []time.Duration{time.Second} }, want: "backoff",
		},
		"a consumer without bodies": {
			change: func(c *jetstream.ConsumerConfig) { c.HeadersOnly = true }, want: "headers",
		},
		"a push consumer": {
			change: func(c *jetstream.ConsumerConfig) { c.DeliverSubject = "pushed" }, want: "oprun",
		},
		"a consumer that does not exist": {
			change: func(c *jetstream.ConsumerConfig) { c.Durable = "another" }, want: "topology apply",
		},
		"a consumer of all types, for some": {
			config: Config{Types: []string{testType}, Consumer: "oprun"}, want: testType,
		},
		"not a consumer of these types": {
			change: func(c *jetstream.ConsumerConfig) { c.FilterSubjects = events.Subjects{}.Filter(testType) },
			config: Config{Types: []string{testType}, Consumer: "oprun"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStack(t)
			config := good
			if test.change != nil {
				test.change(&config)
			}
			check(t, s.js.DeleteConsumer(t.Context(), "JOBS", "oprun"))
			if config.DeliverSubject != "" {
				must(s.js.CreatePushConsumer(t.Context(), "JOBS", config))(t)
			} else {
				must(s.js.CreateConsumer(t.Context(), "JOBS", config))(t)
			}
			w := must(NewWorker(s.js, s.ledger, s.catalog, writing(), test.config))(t)
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			err := w.Run(ctx)
			switch {
			case test.want == "" && err != nil:
				t.Errorf("it was refused: %v", err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("the error is %v, want %q in it", err, test.want)
			}
		})
	}
}

func TestRunEndsWithItsConnection(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	conn := must(s.nats.Connect())(t)
	js := must(jetstream.New(conn))(t)
	w := must(NewWorker(js, s.ledger, s.catalog, writing(), Config{}))(t)
	result := make(chan error, 1)
	go func() { result <- w.Run(context.Background()) }()
	s.eventually("the worker to pull", func() bool { return s.consumer().NumWaiting > 0 })
	conn.Close()
	if err := <-result; !errors.Is(err, nats.ErrConnectionClosed) {
		t.Errorf("Run returned %v, want %v", err, nats.ErrConnectionClosed)
	}
}

func TestWorkerOfSomeTypes(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	const otherType = "test.other"
	s.catalog = must(catalog.New(catalog.Catalog{Jobs: map[string]catalog.Job{testType: testJob("key"), otherType: testJob("key")}}, nil))(t)
	topology := s.topology.For(testType)
	must(topology.Apply(t.Context(), s.js, false))(t)
	s.start(writing(), Config{Types: []string{testType}})
	s.publish(`{"key":"a"}`, func(r *events.Request) { r.Identity.Type = otherType })
	run := s.publish(`{"key":"a"}`)
	s.settled(1)
	s.wantOneEffectEach(run)
	if n := s.count("select count(*) from oprun.dead_letters"); n != 0 {
		t.Errorf("%d messages of the other type were buried", n)
	}
}
