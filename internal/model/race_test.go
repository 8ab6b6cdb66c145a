//go:build race

package model

// The race detector makes a search fifteen times as slow, and has little to find in it: a search is one goroutine. It
// gets the beginning of each; what holds is for the other run of these tests to say.
const limit, raced = 5_000, true
