// Package arch holds the house to its plan: who may import whom, what the shipped binaries link, how long files and
// functions grow, and that every exported name is explained. It has tests and no code.
//
// A failing test names the file, the rule and the ways out. The rules are tables in the test files; a reason to
// leave one is written into the table, beside what it excuses.
package arch
