// Package crash holds oprun to its promise at every place where it can break: worker processes are killed (kill -9),
// frozen past their lease, made to fail and made late at each crash point, while an effects table without any unique
// constraint and a watch on the ledger's rows tell what came of it. It has tests and no code; they need the build tag
// failpoint. docs/crash-points.md is the matrix of what is covered, and is held to be true.
package crash
