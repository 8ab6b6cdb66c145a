//go:build !race

package model

// limit is more states than any configuration has.
const limit, raced = 4_000_000, false
