package model

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// taken collects the kinds of steps that the searches of a test took.
type taken struct {
	mu       sync.Mutex
	kinds    map[string]bool
	searches int
}

func (t *taken) add(kinds map[string]bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.searches++
	if t.kinds == nil {
		t.kinds = map[string]bool{}
	}
	for kind := range kinds {
		t.kinds[kind] = true
	}
}

// missing checks, when all searches were made, that every step that the sources know was taken, but for those that only
// a dropped rule allows.
func (t *taken) missing(test *testing.T, searches int) {
	test.Helper()
	if t.searches < searches || raced {
		return
	}
	for _, kind := range stepsInSource(test) {
		if t.kinds[kind] == onlyWithoutARule[kind] {
			test.Errorf("%q: taken: %t; only without a rule: %t", kind, t.kinds[kind], onlyWithoutARule[kind])
		}
	}
}

// onlyWithoutARule are steps that the whole protocol does not have.
var onlyWithoutARule = map[string]bool{
	"worker: the handler of %s commits its effects by itself":                           true,
	"sweeper: reads that the lease of %s has ended":                                     true,
	"sweeper: queues %s again, by its id":                                               true,
	"operator: makes its parked runs due":                                               true,
	"operator: dies before the parked runs are due":                                     true,
	"group of %s: %s has a bad statement, ROLLBACK, and all are let go":                 true,
	"group of %s: %s has a bad statement, ROLLBACK, and the others are taken for ended": true,
	"group of %s: %s is FENCED, ROLLBACK, and all are let go":                           true,
	"time: the lease of %s ends, nobody beating while it waits for its group":           true,
	"relay: takes what stands in the place of %s for its payload":                       true,
	"relay: the stream does not answer for %s: message_lost":                            true,
	"retention: the floor passes %s, which is deleted":                                  true,
	"producer of %s: the stream takes its message for a duplicate":                      true,
}

// stepsInSource returns the words of every step.
func stepsInSource(t *testing.T) (kinds []string) {
	t.Helper()
	paths, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(node ast.Node) bool {
			if call, ok := node.(*ast.CallExpr); ok {
				kinds = append(kinds, stepsIn(call)...)
			}
			return true
		})
	}
	if len(kinds) < 50 {
		t.Fatalf("found %d kinds of steps in the sources", len(kinds))
	}
	return kinds
}

// stepsIn returns the words of a call that takes a step.
func stepsIn(call *ast.CallExpr) (kinds []string) {
	method, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || method.Sel.Name != "step" && method.Sel.Name != "fault" {
		return nil
	}
	for _, arg := range call.Args {
		if text, ok := arg.(*ast.BasicLit); ok && text.Kind == token.STRING {
			if kind, err := strconv.Unquote(text.Value); err == nil {
				kinds = append(kinds, kind)
			}
		}
	}
	return kinds
}

func TestCounterexampleReadsLikeAStory(t *testing.T) {
	t.Parallel()
	result := Search(Config{
		Requests: ledgerFirst, Attempts: 2, Faults: Faults(MessageLost), Rules: Protocol().Without(NewDispatchNo),
	}, 100_000)
	const want = `I4 is broken: without further faults, nothing leads from here to the end of every accepted request
   1 caller of request 1: asks, and run 1 stands for it; not committed
   2 caller of request 1: COMMIT
   3 relay: publishes run 1
   4 stream: LOSES run 1`
	if got := result.Violation.String(); !strings.HasPrefix(got, want) {
		t.Errorf("got:\n%s\nwant:\n%s …", got, want)
	}
}

func TestSearchThatWasCutShortSaysSo(t *testing.T) {
	t.Parallel()
	result := Search(Config{Requests: ledgerFirst, Attempts: 2, Rules: Protocol()}, 10)
	if result.Complete || result.Violation != nil {
		t.Errorf("of %d states it says: complete %t, %v", result.States, result.Complete, result.Violation)
	}
}

// The promotion at an owner's end is there for speed: the sweeper alone brings every follow-up to the front as well.
// What it cannot do alone is not to be late.
func TestPromotionByTheSweeperAloneLosesNothing(t *testing.T) {
	t.Parallel()
	for _, requests := range [][]Entry{ledgerFirst, messageFirst, mixed} {
		result := Search(Config{
			Requests: requests, Attempts: 2, FollowUp: true, Faults: Faults(Crash, CallerAborts), Rules: Protocol().Without(PromotedAtEnd),
		}, limit)
		if result.Violation != nil || !result.Complete && !raced {
			t.Errorf("complete: %t, %v", result.Complete, result.Violation)
		}
	}
}
