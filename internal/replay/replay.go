package replay

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"

	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
	"oprun.example/pkg/oprun"
)

// Config says how to replay. Its zero value publishes everything as the same occurrences, as fast as it goes, and waits
// for the consumer oprun of stream JOBS for as long as that takes.
type Config struct {
	Filter   events.Filter // which messages
	Stream   string        // that takes the subjects of the messages; default JOBS
	Consumer string        // whose workers handle them; default oprun

	// AsNew asks for each recorded request anew. Messages of one request, or of one run, are one new request.
	AsNew bool
	// ID is this replay's, from [NewID]. With the same id the same messages make the same new requests: a replay that was
	// interrupted goes on and doubles nothing. Zero: a new one.
	ID uuid.UUID

	SkipOld bool // pass over what is older than the ledger's memory. Else one such message stops the replay before it begins
	DryRun  bool // ask the ledger alone: nothing is published
	NoWait  bool // do not wait for what becomes of the messages

	Timeout time.Duration // how long to wait for that, from the last publication on; 0: as long as it takes

	Rate  float64 // messages a second at most; 0: no bound
	Speed float64 // keep the recorded gaps, divided by this; 0: no gaps

	Progress func(Progress) // told after each batch, on the caller's goroutine; nil: nobody
}

// Source is where the messages come from.
type Source struct {
	// Messages may be iterated over twice, unless Once: the first time is a look, before anything is published, at whether
	// all of it can be read and is young enough.
	Messages iter.Seq2[events.Message, error]
	Once     bool
	Lines    bool // it is a record: messages are named by their line, else by their sequence number
}

// at names a message.
func (s Source) at(line int, m events.Message) string {
	if s.Lines {
		return "line " + strconv.Itoa(line)
	}
	return "message " + strconv.FormatUint(m.Seq, 10) + " of stream " + m.Stream
}

// Progress is how far a replay is.
type Progress struct {
	Total     int // messages that are meant; 0: not known
	Judged    int // messages that the ledger was asked about
	Published int
	Waiting   int // published, and nothing is known of their end yet
}

// NewID returns an id for a replay, a UUID version 7: the runs that an as-new replay makes are dated by it.
func NewID() (uuid.UUID, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return id, fmt.Errorf("make a replay id: %w", err)
	}
	return id, nil
}

// OldError says that messages are older than what the ledger promises to know: as the same occurrences they might run
// once more. Nothing was published, unless a [StoppedError] says otherwise.
type OldError struct {
	At     string // the first of them
	Count  int    // how many there are, as far as they were looked at
	StoreT time.Time
	Since  time.Time // what the ledger knows
}

// Error names the first of them.
func (e *OldError) Error() string {
	more := ""
	if e.Count > 1 {
		more = fmt.Sprintf(", and with it %d others,", e.Count-1)
	}
	return fmt.Sprintf("%s, stored at %s,%s is older than what the ledger keeps: it knows all runs since %s, and might run an older one again",
		e.At, e.StoreT.UTC().Format(time.RFC3339), more, e.Since.UTC().Format(time.RFC3339))
}

// StoppedError says that a replay ended early, and what had been done by then.
type StoppedError struct {
	Err       error
	Published int       // messages that the stream has acknowledged
	Unknown   int       // messages that were sent and not acknowledged
	ID        uuid.UUID // the replay's, to go on with
}

// Error tells both.
func (e *StoppedError) Error() string {
	done := fmt.Sprintf("%d messages were published by then", e.Published)
	switch e.Published {
	case 0:
		done = "nothing was published"
	case 1:
		done = "one message was published by then"
	}
	if e.Unknown > 0 {
		done += fmt.Sprintf(", as far as is known: %d more were sent and not acknowledged", e.Unknown)
	}
	return e.Err.Error() + "; " + done
}

// Unwrap returns why.
func (e *StoppedError) Unwrap() error { return e.Err }

// Run replays. A dry run of a record needs no js. What it publishes is in the report, with what the ledger has of it; an error is a [*StoppedError] when
// the replay had begun. Test within it for [*OldError], [*events.RecordError], the errors of [events.Read] and of
// [events.Publisher], jetstream.ErrConsumerNotFound, and the ledger's.
func Run(ctx context.Context, js jetstream.JetStream, ledger *oprun.Ledger, source Source, config Config) (Report, error) {
	r, err := newReplay(ctx, js, ledger, source, config)
	if err != nil {
		return Report{}, err
	}
	if err := r.run(ctx); err != nil {
		return r.report, &StoppedError{Err: err, Published: r.report.Published, Unknown: r.unknown, ID: r.config.ID}
	}
	r.report.Rows, r.report.Took = r.tally.rows(), time.Since(r.began)
	r.report.Seconds = r.report.Took.Seconds()
	return r.report, nil
}

// replay is one run of it.
type replay struct {
	js        jetstream.JetStream
	ledger    *oprun.Ledger
	source    Source
	config    Config
	publisher *events.Publisher  // nil: a dry run
	consumer  jetstream.Consumer // nil: nobody waits
	memory    oprun.Memory       // as of the last batch, but for its Now, which is that of the beginning
	ours      events.Filter      // the subjects of jobs
	began     time.Time          // by the clock here
	msgID     string             // what the Nats-Msg-Ids of this run begin with: none is another's
	pace      pacer
	scopes    map[dedupe.Scope]bool // does the ledger know it?
	batch     []item
	flying    []flight
	unknown   int    // messages of which no acknowledgement came
	last      uint64 // the highest sequence number of a published message
	first     uint64 // the lowest
	ran       map[uuid.UUID]struct{}
	tally     tally
	report    Report
	progress  Progress
}

func newReplay(ctx context.Context, js jetstream.JetStream, ledger *oprun.Ledger, source Source, config Config) (*replay, error) {
	topology := events.DefaultTopology()
	config.Stream, config.Consumer = cmp.Or(config.Stream, topology.Stream), cmp.Or(config.Consumer, topology.Consumer)
	var err error
	if config.ID == uuid.Nil {
		if config.ID, err = NewID(); err != nil {
			return nil, err
		}
	}
	r := &replay{
		js: js, ledger: ledger, source: source, config: config, began: time.Now(),
		msgID:  "replay/" + config.ID.String() + "/" + uuid.NewString()[:8] + "/",
		scopes: map[dedupe.Scope]bool{}, ran: map[uuid.UUID]struct{}{}, tally: tally{},
		report: Report{ReplayID: config.ID, AsNew: config.AsNew, DryRun: config.DryRun, Stream: config.Stream},
	}
	r.ours.Subject = config.Filter.Subjects.All()
	r.pace = pacer{rate: config.Rate, speed: config.Speed, began: r.began}
	if r.memory, err = ledger.Memory(ctx); err != nil {
		return nil, err
	}
	if config.AsNew && !r.memory.Covers(r.memory.Now, config.ID) {
		return nil, fmt.Errorf("the replay id %s is older than what the ledger keeps: begin a new replay", config.ID)
	}
	if !config.DryRun {
		r.publisher = events.NewPublisher(js, events.PublisherConfig{Subjects: config.Filter.Subjects, MaxPending: 2 * maxFlying})
	}
	if !config.DryRun && !config.NoWait {
		if r.consumer, err = js.Consumer(ctx, config.Stream, config.Consumer); err != nil {
			return nil, fmt.Errorf("consumer %s of stream %s: %w", config.Consumer, config.Stream, err)
		}
	}
	return r, nil
}

func (r *replay) run(ctx context.Context) error {
	if err := r.survey(ctx); err != nil {
		return err
	}
	err := r.walk(ctx)
	if err == nil {
		err = r.land(ctx, 0)
	}
	switch {
	case err != nil:
		r.abandon(ctx)
		return err
	case r.config.DryRun, r.config.NoWait:
		return nil
	}
	if err := r.verify(ctx); err != nil {
		return fmt.Errorf("see what became of the messages: %w", err)
	}
	return nil
}

func (r *replay) tell() {
	if r.config.Progress != nil {
		r.config.Progress(r.progress)
	}
}
