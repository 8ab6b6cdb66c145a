package jobs

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"oprun.example/pkg/catalog"
	"oprun.example/pkg/events"
	"oprun.example/pkg/oprun"
)

// ShadowConfig is what a shadow may be told. Name is required.
type ShadowConfig struct {
	Name        string          // a lower-case letter, and at most 30 of these, digits and "_"
	Fresh       bool            // drop a shadow of this name first; else it is an error that there is one
	Source      string          // where the records come from, for those who read the comparison
	Types       []string        // play records of these types only; empty: all
	Subjects    events.Subjects // default prefix: jobs
	Concurrency int             // handlers that run at once; default 8. Those of one identity run one after the other
	Logger      *slog.Logger    // default slog.Default()

	// Effects is where handlers' transactions are begun; default the ledger's own database, where what they did in earnest is there
	// already. A copy of the program's tables as they were before the record spares handlers that insert the difference.
	Effects *pgxpool.Pool
}

// Shadow plays recorded messages with a catalogue and handlers that are to be tried, in a schema of its own beside the
// ledger: nothing that a handler does in a transaction is committed, and no run, message or event of the real ones is
// made (docs/shadow.md). What came of it is compared with the ledger by oprun.Shadow.Diff, or `consumer shadow diff`.
//
// It is the ledger that says how long runs lasted and in which order they ended: a request that joined another's run
// there joins it here, unless the catalogue now tells the two apart. So the comparison shows what catalogue and handlers decide, and not
// how fast the records were played.
type Shadow struct {
	config ShadowConfig
	ledger *oprun.Ledger
	codec  events.Codec
	specs  map[string]*jobSpec
}

// NewShadow returns a shadow of this ledger with the handlers of the mux. Types of the catalogue without a handler, and the
// built-in ones, are not run: only the verdicts on their requests are compared.
func NewShadow(ledger *oprun.Ledger, cat *catalog.Catalog, mux *Mux, config ShadowConfig) (*Shadow, error) {
	if err := oprun.ValidShadow(config.Name); err != nil {
		return nil, err
	}
	config.Concurrency = orDefault(config.Concurrency, 8)
	if config.Concurrency < 1 {
		return nil, fmt.Errorf("concurrency %d of a shadow: it is at least 1", config.Concurrency)
	}
	if config.Logger == nil {
		config.Logger = slog.Default()
	}
	s := &Shadow{
		config: config, ledger: ledger, codec: events.Codec{Subjects: config.Subjects, Alias: cat.Alias},
		specs: make(map[string]*jobSpec, len(cat.Jobs)),
	}
	for jobType, job := range cat.Jobs {
		s.specs[jobType] = &jobSpec{job: job, rule: job.Rule(), handler: mux.handlers[jobType], builtin: cat.IsBuiltin(jobType)}
	}
	for _, jobType := range config.Types {
		if s.specs[jobType] == nil {
			return nil, fmt.Errorf("the catalogue declares no job type %s", jobType)
		}
	}
	return s, nil
}

// ShadowTally is how many records were played.
type ShadowTally struct {
	Records  int `json:"records"`  // of the types that were to be played
	Repeated int `json:"repeated"` // of runs and requests that an earlier record was of
	Executed int `json:"executed"` // run by a handler
	Refused  int `json:"refused"`  // would run, but not in a shadow
	Skipped  int `json:"skipped"`  // would not run: duplicate, cooling down, or rejected
}

// shadowBatch is how many records are judged at once, whatever their order in the ledger was. What is in one batch runs before
// the next is looked at.
const shadowBatch = 1024

// tellEvery is how often a shadow says how far it is.
const tellEvery = 10 * time.Second

// Run plays the records, in their order, and returns when all are played: [events.Records] reads them from a file, and
// [events.Read] from a stream. It makes the shadow, which stays: drop it with oprun.Ledger.DropShadow, or `consumer shadow
// drop`. When a record cannot be read, the database is away or the context ends, that is the error, and the shadow has
// what came before. Errors to test for are oprun.ErrShadowExists and oprun.ErrMayNotShadow.
func (s *Shadow) Run(ctx context.Context, records iter.Seq2[events.Message, error]) (tally ShadowTally, err error) {
	made, err := s.make(ctx)
	if err != nil {
		return tally, err
	}
	defer made.Close()
	made.Effects = s.config.Effects
	play := &shadowPlay{Shadow: s, made: made, latest: map[[32]byte]span{}, worker: uuid.New()}
	batch := make([]events.Message, 0, shadowBatch)
	told := time.Now()
	for m, err := range records {
		if err != nil {
			return play.tally, errors.Join(play.play(ctx, batch), err)
		}
		if batch = append(batch, m); len(batch) < shadowBatch {
			continue
		}
		if err := play.play(ctx, batch); err != nil {
			return play.tally, err
		}
		batch = batch[:0]
		if time.Since(told) > tellEvery {
			told = time.Now()
			s.config.Logger.Info("playing the record", "shadow", s.config.Name, "records", play.tally.Records)
		}
	}
	if err := play.play(ctx, batch); err != nil {
		return play.tally, err
	}
	return play.tally, made.Finished(ctx)
}

func (s *Shadow) make(ctx context.Context) (*oprun.Shadow, error) {
	if s.config.Fresh {
		if err := s.ledger.DropShadow(ctx, s.config.Name); err != nil && !errors.Is(err, oprun.ErrNoShadow) {
			return nil, err
		}
	}
	return s.ledger.MakeShadow(ctx, s.config.Name, s.config.Source)
}

// wanted tells whether records of this type are to be played.
func (s *Shadow) wanted(jobType string) bool {
	return len(s.config.Types) == 0 || slices.Contains(s.config.Types, jobType)
}

// ErrShadow is returned to handlers that would do, in a shadow, what could not be taken back.
var ErrShadow = errors.New("this is a shadow: nothing is dispatched outside a transaction that is taken back")

type shadowKey struct{}

// InShadow reports whether this is the context of a handler that runs in a shadow. What a handler does outside job.Commit
// and job.Queue is really done: it asks, and leaves it.
func InShadow(ctx context.Context) bool { return ctx.Value(shadowKey{}) != nil }

// refuseInShadow returns ErrShadow in a shadow, which then does not compare the run: it is not the handler's fault.
func refuseInShadow(ctx context.Context) error {
	refused, ok := ctx.Value(shadowKey{}).(*atomic.Bool)
	if !ok {
		return nil
	}
	refused.Store(true)
	return ErrShadow
}
