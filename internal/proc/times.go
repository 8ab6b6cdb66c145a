package proc

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Moment is a point in time as a flag says it: how long ago, as in 90m or 7d, or a time, as in 2026-01-31T15:04:05Z.
type Moment struct{ time.Time }

// UnmarshalText reads what a flag says.
func (m *Moment) UnmarshalText(text []byte) error {
	if at, err := time.Parse(time.RFC3339, string(text)); err == nil {
		m.Time = at
		return nil
	}
	ago, err := parseAge(string(text))
	if err != nil || ago < 0 {
		return fmt.Errorf("%q is neither a duration, as in 90m or 7d, nor a time, as in 2026-01-31T15:04:05Z", text)
	}
	m.Time = time.Now().Add(-ago)
	return nil
}

// ValidPart reports which flags of a part of a stream or a record exclude each other. What is zero bounds nothing.
func ValidPart(fromSeq, toSeq uint64, since, until Moment) error {
	switch {
	case toSeq != 0 && toSeq < fromSeq:
		return fmt.Errorf("--to-seq %d is before --from-seq %d", toSeq, fromSeq)
	case !until.IsZero() && !until.After(since.Time):
		return errors.New("--until is not after --since")
	}
	return nil
}

// Age is a duration that may be written in days, as in 36h or 90d.
type Age time.Duration

// UnmarshalText reads what a flag says.
func (a *Age) UnmarshalText(text []byte) error {
	d, err := parseAge(string(text))
	if err != nil {
		return fmt.Errorf("%q is no duration: write one as in 2160h or 90d", text)
	}
	*a = Age(d)
	return nil
}

// parseAge is time.ParseDuration with days.
func parseAge(text string) (time.Duration, error) {
	digits, days := strings.CutSuffix(text, "d")
	if !days {
		return time.ParseDuration(text)
	}
	n, err := strconv.ParseUint(digits, 10, 16)
	return time.Duration(n) * 24 * time.Hour, err
}
