//go:build !linux

package remote

// acts are what is tested on Linux only.
var acts map[string]func(*command) int
