package load

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/google/uuid"
)

// Report tells what a load has asked for and what became of it.
type Report struct {
	Load     uuid.UUID `json:"load"`
	Seed     uint64    `json:"seed"`
	Messages int       `json:"messages"` // that the stream has acknowledged
	Requests int       `json:"requests"` // that they are; the others repeat one

	Seconds   float64       `json:"seconds"`
	PerSecond float64       `json:"messages_per_second"`
	Behind    time.Duration `json:"-"` // how late a message was sent at most
	BehindMS  float64       `json:"behind_ms"`

	Ack        Latency    `json:"ack"` // from when a message was due to its acknowledgement
	Duplicates Duplicates `json:"duplicates"`
	Verdicts   *Verdicts  `json:"verdicts,omitempty"` // nil: nobody was asked
}

// Duplicates tells which messages repeated others, and how many of all the broker suppressed.
type Duplicates struct {
	SameMessage  int `json:"same_message"`
	OtherMessage int `json:"same_request_other_message"`
	SameIdentity int `json:"same_identity_other_request"`
	Suppressed   int `json:"suppressed_by_broker"`
}

// Verdicts are what the ledger has of the requests of this load, and of no others.
type Verdicts struct {
	Runs        map[string]int `json:"runs"`   // of their own, by outcome; pending: they have not ended
	Joined      int            `json:"joined"` // served by the run of another
	DeadLetters int            `json:"dead_letters"`
	Unclaimed   int            `json:"unclaimed"` // nobody has claimed them yet
	Doubled     int            `json:"doubled"`   // runs that succeeded more than once, which must not be
	End         Latency        `json:"end"`       // from the stream's store time to the run's end, by their clocks
}

// Waiting is how many requests have no end yet.
func (v *Verdicts) Waiting() int { return v.Unclaimed + v.Runs["pending"] }

// Failures is how many requests ended otherwise than well.
func (v *Verdicts) Failures() int {
	failures := v.DeadLetters + v.Doubled
	for outcome, n := range v.Runs {
		if outcome != "succeeded" && outcome != "pending" {
			failures += n
		}
	}
	return failures
}

func (r *Report) count(s slot, suppressed bool) {
	r.Messages++
	if s.isRequest() {
		r.Requests++
	}
	if suppressed {
		r.Duplicates.Suppressed++
	}
	switch s.copying {
	case sameMessage:
		r.Duplicates.SameMessage++
	case otherMessage:
		r.Duplicates.OtherMessage++
	case sameIdentity:
		r.Duplicates.SameIdentity++
	case original, copyings:
	}
}

// Latency is a distribution of times.
type Latency struct {
	Count              int
	P50, P95, P99, Max time.Duration
}

// MarshalJSON writes milliseconds.
func (l Latency) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Count int     `json:"count"`
		P50   float64 `json:"p50_ms"`
		P95   float64 `json:"p95_ms"`
		P99   float64 `json:"p99_ms"`
		Max   float64 `json:"max_ms"`
	}{l.Count, millis(l.P50), millis(l.P95), millis(l.P99), millis(l.Max)})
}

func millis(d time.Duration) float64 {
	return float64(d.Round(time.Microsecond)) / float64(time.Millisecond)
}

// latencies are kept whole, in microseconds: four bytes for each of a number that is bounded.
type latencies []uint32

func (l *latencies) add(d time.Duration) {
	const longest = 1<<32 - 1
	*l = append(*l, uint32(min(max(d.Microseconds(), 0), longest)))
}

func (l *latencies) sum() Latency {
	all := *l
	if len(all) == 0 {
		return Latency{}
	}
	slices.Sort(all)
	at := func(part float64) time.Duration {
		return time.Duration(all[min(int(part*float64(len(all))), len(all)-1)]) * time.Microsecond
	}
	return Latency{len(all), at(0.50), at(0.95), at(0.99), at(1)}
}
