package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
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
