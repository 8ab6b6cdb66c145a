package jobs

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"

	"oprun.example/pkg/events"
	"oprun.example/pkg/oprun"
)

// AuditConfig says what to audit. The zero value is all of stream JOBS, for the consumer of all job types.
type AuditConfig struct {
	Stream   string          // default JOBS
	Consumer string          // the durable; default oprun, or the one of these Types (events.Topology.For)
	Subjects events.Subjects // default prefix: jobs
	Types    []string        // audit messages of these types only; empty: all
	Range    events.Range    // which messages; zero: all that the stream holds
	Grace    time.Duration   // younger messages only wait; default: the longer of 30s, a lease's default, and twice the AckWait
	Limit    int             // how many offenders to report, of each kind; default 100. The counts are of all
	Twins    bool            // look for runs that were made twice of one message; that reads every run of the ledger
}

// Audit compares a stream with the ledger. It changes nothing, takes no message from the consumer, and its memory
// does not grow with the stream. A message is unaccounted when the consumer has passed it (every delivery up to it
// is acknowledged), it is older than the grace, and the ledger has neither run nor delivery nor dead letter for it.
// An error is that of the stream (see [events.Read]), jetstream.ErrConsumerNotFound, or the ledger's.
func Audit(ctx context.Context, js jetstream.JetStream, ledger *oprun.Ledger, config AuditConfig) (AuditReport, error) {
	a, err := newAuditor(ctx, js, ledger, config)
	if err != nil {
		return AuditReport{}, err
	}
	if err := a.walk(ctx); err != nil {
		return AuditReport{}, err
	}
	if a.config.Twins && a.report.Messages > 0 {
		err = a.lookForTwins(ctx)
	}
	return a.report, err
}

// auditor is one audit.
type auditor struct {
	js       jetstream.JetStream
	ledger   *oprun.Ledger
	config   AuditConfig
	passed   uint64    // up to here the consumer had nothing left when the audit began: what it acknowledged, the ledger had
	settled  time.Time // what was stored before has outlived the grace
	batch    []sighted
	report   AuditReport
	reported map[string]int         // offenders listed, by problem
	doubled  map[uuid.UUID]struct{} // runs found doubled
	span     oprun.Span             // of the messages looked at
}

// sighted is a message of the stream without its body.
type sighted struct {
	subject string
	oprun.Sighting
}

// newAuditor looks at the consumer first, and so before the ledger: what is acknowledged is in the ledger (I10), but
// not the other way round.
func newAuditor(ctx context.Context, js jetstream.JetStream, ledger *oprun.Ledger, config AuditConfig) (*auditor, error) {
	topology := events.DefaultTopology().For(config.Types...)
	config.Stream, config.Consumer = orDefault(config.Stream, topology.Stream), orDefault(config.Consumer, topology.Consumer)
	config.Limit = orDefault(config.Limit, 100)
	consumer, err := js.Consumer(ctx, config.Stream, config.Consumer)
	if err != nil {
		return nil, fmt.Errorf("consumer %s of stream %s: %w", config.Consumer, config.Stream, err)
	}
	info := consumer.CachedInfo()
	config.Grace = orDefault(config.Grace, max(30*time.Second, 2*info.Config.AckWait))
	return &auditor{
		js: js, ledger: ledger, config: config, passed: info.AckFloor.Stream, settled: time.Now().Add(-config.Grace),
		batch:    make([]sighted, 0, maxBatch),
		report:   AuditReport{Stream: config.Stream, Consumer: config.Consumer, Offenders: []Offender{}},
		reported: map[string]int{}, doubled: map[uuid.UUID]struct{}{}, span: oprun.Span{Stream: config.Stream},
	}, nil
}

// walk reads the range and judges it batch by batch.
func (a *auditor) walk(ctx context.Context) error {
	for message, err := range events.Read(ctx, a.js, a.config.Stream, a.config.Range) {
		if err != nil {
			return err
		}
		a.saw(message)
		if len(a.batch) == maxBatch {
			if err := a.judge(ctx); err != nil {
				return err
			}
		}
	}
	return a.judge(ctx)
}

// saw takes a message into the batch, unless its type is somebody else's.
func (a *auditor) saw(m events.Message) {
	if a.span.FirstSeq == 0 {
		a.span.FirstSeq, a.span.FirstAt = m.Seq, m.StoredAt
	}
	a.span.LastSeq, a.span.LastAt = m.Seq, m.StoredAt
	_, jobType, _ := a.config.Subjects.Parse(m.Subject)
	if len(a.config.Types) == 0 || slices.Contains(a.config.Types, jobType) {
		a.batch = append(a.batch, sighted{m.Subject, sight(a.config.Subjects, m, jobType)})
	}
}

// sight tells which run a message should have. It knows no catalogue: a CloudEvent's type passes for an alias, and if
// it was none, the message has a dead letter.
func sight(subjects events.Subjects, m events.Message, jobType string) oprun.Sighting {
	s := oprun.Sighting{Seq: m.Seq, StoredAt: m.StoredAt}
	codec := events.Codec{Subjects: subjects, Alias: func(string) (string, bool) { return jobType, true }}
	job, err := codec.Decode(m)
	if err != nil {
		return s
	}
	s.Scope, s.Type, s.RunID, s.Named = job.Scope, job.Type, job.RunID, job.RunID != uuid.Nil
	if !s.Named {
		s.RunID = job.Occurrence.RunID(job.Scope, job.Type)
	}
	return s
}

// accountPatience is how long a ledger may take to look up a batch, on a database that has none of it in memory.
const accountPatience = time.Minute

// judge asks the ledger about the batch.
func (a *auditor) judge(ctx context.Context) error {
	if len(a.batch) == 0 {
		return nil
	}
	ask, cancel := context.WithTimeout(ctx, accountPatience)
	defer cancel()
	accounts, err := a.ledger.Account(ask, a.config.Stream, sightings(a.batch))
	if err != nil {
		return err
	}
	for i, m := range a.batch {
		a.count(m, accounts[i])
	}
	a.report.FirstSeq = orDefault(a.report.FirstSeq, a.batch[0].Seq)
	a.report.LastSeq = a.batch[len(a.batch)-1].Seq
	a.report.Messages += len(a.batch)
	a.batch = a.batch[:0]
	return nil
}

func sightings(batch []sighted) []oprun.Sighting {
	plain := make([]oprun.Sighting, len(batch))
	for i, m := range batch {
		plain[i] = m.Sighting
	}
	return plain
}

// count gives one message its one place in the report.
func (a *auditor) count(m sighted, has oprun.Account) {
	switch {
	case has.Run != uuid.Nil:
		a.report.Runs++
		a.countDoubled(m, has)
	case has.Joined != uuid.Nil:
		a.report.Joined++
	case has.DeadLetter != uuid.Nil:
		a.report.DeadLetters++
	case m.Seq > a.passed || !m.StoredAt.Before(a.settled):
		a.report.Waiting++
	default:
		a.report.Unaccounted++
		a.offends(ProblemUnaccounted, m, "neither run nor delivery nor dead letter")
	}
}

// countDoubled tells of a run that has ended more than once, as far as its message shows.
func (a *auditor) countDoubled(m sighted, has oprun.Account) {
	var detail string
	switch _, known := a.doubled[has.Run]; {
	case known:
		return // by another message of the same run
	case has.Successes > 1:
		detail = fmt.Sprintf("%d attempts of one run succeeded", has.Successes)
	case has.MadeHere && has.DeadLetter != uuid.Nil:
		detail = "it has run, and is dead letter " + has.DeadLetter.String()
	default:
		return
	}
	a.doubled[has.Run] = struct{}{}
	a.report.Doubled++
	a.offends(ProblemDoubled, m, detail)
}

// offends lists a message, if there is room.
func (a *auditor) offends(problem string, m sighted, detail string) {
	if a.reported[problem] >= a.config.Limit {
		return
	}
	a.reported[problem]++
	o := Offender{
		Problem: problem, Stream: a.config.Stream, Seq: m.Seq, StoreTime: m.StoredAt.UTC(), Subject: m.subject,
		RunIDs: []uuid.UUID{}, Detail: detail, sighting: m.Sighting,
	}
	if m.RunID != uuid.Nil {
		o.RunIDs = append(o.RunIDs, m.RunID)
	}
	a.report.Offenders = append(a.report.Offenders, o)
}

// lookForTwins adds the messages of which two runs were made.
func (a *auditor) lookForTwins(ctx context.Context) error {
	twins, total, err := a.ledger.Twins(ctx, a.span, a.config.Limit)
	if err != nil {
		return err
	}
	a.report.Doubled += total
	for _, t := range twins {
		a.report.Offenders = append(a.report.Offenders, Offender{
			Problem: ProblemDoubled, Stream: a.config.Stream, Seq: t.Seq, StoreTime: t.StoredAt.UTC(), RunIDs: t.Runs,
			Detail: fmt.Sprintf("%d runs were made of it", len(t.Runs)),
		})
	}
	return nil
}
