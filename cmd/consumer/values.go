package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// byteSize is a number of bytes, as in 512, 64MiB or 10GB.
type byteSize int64

// units are longest first: "MiB" ends with "B", too.
var units = []struct {
	name  string
	bytes float64
}{
	{"KiB", 1 << 10},
	{"MiB", 1 << 20},
	{"GiB", 1 << 30},
	{"TiB", 1 << 40},
	{"KB", 1e3},
	{"MB", 1e6},
	{"GB", 1e9},
	{"TB", 1e12},
	{"B", 1},
	{"", 1},
}

// UnmarshalText reads what a flag says.
func (s *byteSize) UnmarshalText(text []byte) error {
	for _, unit := range units {
		digits, ok := strings.CutSuffix(string(text), unit.name)
		if !ok {
			continue
		}
		number, err := strconv.ParseFloat(strings.TrimSpace(digits), 64)
		if err != nil || !(number >= 0) || number*unit.bytes >= math.MaxInt64 {
			break
		}
		*s = byteSize(number * unit.bytes)
		return nil
	}
	return fmt.Errorf("%q is no size: write a number with B, KiB, MiB, GiB, TiB, KB, MB, GB or TB, as in 10GiB", text)
}

// since is a point in time: how long ago, as in 90m or 7d, or a moment as in 2026-01-31T15:04:05Z.
type since struct{ time.Time }

// UnmarshalText reads what a flag says.
func (s *since) UnmarshalText(text []byte) error {
	if at, err := time.Parse(time.RFC3339, string(text)); err == nil {
		s.Time = at
		return nil
	}
	ago, err := parseAge(string(text))
	if err != nil || ago < 0 {
		return fmt.Errorf("%q is neither a duration, as in 90m or 7d, nor a time, as in 2026-01-31T15:04:05Z", text)
	}
	s.Time = time.Now().Add(-ago)
	return nil
}

// age is a duration that may be written in days, as in 36h or 90d.
type age time.Duration

// UnmarshalText reads what a flag says.
func (a *age) UnmarshalText(text []byte) error {
	d, err := parseAge(string(text))
	if err != nil {
		return fmt.Errorf("%q is no duration: write one as in 2160h or 90d", text)
	}
	*a = age(d)
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
