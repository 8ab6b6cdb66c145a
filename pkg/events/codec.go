package events

import (
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"oprun.example/pkg/dedupe"
)

// Codec reads messages into jobs. The zero value reads subjects that begin with "jobs" and knows no aliases. It is
// safe for concurrent use when Alias is.
type Codec struct {
	Subjects Subjects

	// Alias returns the job type that a CloudEvents type stands for. Nil knows none; a ce-type that is spelled as
	// the job type needs none.
	Alias func(ceType string) (jobType string, ok bool)
}

// Decode reads one message. Its error is always a [*Refusal]; it says what no redelivery will change, and the job
// then has the Scope and Type of its subject, if that could be read. The job's Input shares the message's data.
//
// Decode does not know which job types and tenants exist.
func (c Codec) Decode(m Message) (Job, error) {
	scope, jobType, err := c.Subjects.Parse(m.Subject)
	if err != nil {
		return Job{}, refuse(dedupe.Malformed, "subject: "+err.Error())
	}
	job := Job{Scope: scope, Type: jobType, Input: m.Data, AcceptedAt: m.StoredAt, Initiator: DefaultInitiator}
	if err := c.decode(&job, m); err != nil {
		return Job{Scope: scope, Type: jobType}, err
	}
	return job, nil
}

func (c Codec) decode(job *Job, m Message) error {
	if m.Stream != "" {
		job.Occurrence = dedupe.ByPlace(m.Stream, m.Seq, m.StoredAt)
	}
	if len(m.Header) == 0 {
		return ValidInput(job.Input)
	}
	var h headers
	if err := h.read(m.Header); err != nil {
		return err
	}
	if h.present[version] && h.value[version] != WireVersion {
		return refuse(dedupe.VersionUnknown, "header "+HeaderVersion+": only version 1 is known")
	}
	if err := h.readJob(job); err != nil {
		return err
	}
	e, err := readEvent(&h, m.Data)
	if err != nil {
		return err
	}
	if e != nil {
		if err := c.apply(e, job); err != nil {
			return err
		}
	}
	if job.RequestID != "" { // over a recorded place, too: it decided when the recorded message ran
		job.Occurrence = dedupe.ByRequest(job.RequestID, e.at())
	}
	return ValidInput(job.Input)
}

// readJob takes the Oprun and trace headers.
func (h *headers) readJob(job *Job) error {
	if h.present[runID] {
		id, err := uuid.Parse(h.value[runID])
		if err != nil || len(h.value[runID]) != 36 || id == uuid.Nil {
			return refuse(dedupe.HeaderInvalid, "header "+HeaderRunID+": it is not a UUID")
		}
		job.RunID = id
	}
	if h.present[requestID] {
		if job.RequestID = h.value[requestID]; !validRequestID(job.RequestID) {
			return refuse(dedupe.HeaderInvalid, "header "+HeaderRequestID+": it is not 1 to 128 visible ASCII characters")
		}
	}
	if h.present[occurrence] {
		place, err := ParsePlace(h.value[occurrence])
		if err != nil {
			return refuse(dedupe.HeaderInvalid, "header "+HeaderOccurrence+": "+err.Error())
		}
		job.Occurrence = dedupe.ByPlace(place.Stream, place.Seq, place.StoredAt)
		job.AcceptedAt = place.StoredAt
	}
	if h.present[replayedFrom] {
		place, err := ParsePlace(h.value[replayedFrom])
		if err != nil {
			return refuse(dedupe.HeaderInvalid, "header "+HeaderReplayedFrom+": "+err.Error())
		}
		job.ReplayedFrom = place
	}
	if h.value[initiator] != "" {
		if job.Initiator = h.value[initiator]; !validInitiator(job.Initiator) {
			return refuse(dedupe.HeaderInvalid, "header "+HeaderInitiator+": it is longer than 128 characters or has control characters")
		}
	}
	job.TraceParent, job.TraceState = validTrace(h.value[traceParent], h.value[traceState])
	return nil
}

func validRequestID(s string) bool {
	return s != "" && len(s) <= MaxRequestIDLength && visible(s)
}

func validInitiator(s string) bool {
	if len(s) > utf8.UTFMax*MaxInitiatorLength || !utf8.ValidString(s) || utf8.RuneCountInString(s) > MaxInitiatorLength {
		return false
	}
	for _, r := range s {
		if unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp) {
			return false
		}
	}
	return true
}
