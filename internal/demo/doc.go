// Package demo shows on the embedded stack what the project promises: jobs of three kinds, duplicates of three
// kinds, a consumer killed in the middle, and every effect exactly once, by the publisher's own account.
//
// Run is the whole story, top to bottom; a consumer process is this program again, running Worker.
package demo
