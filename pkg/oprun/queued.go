package oprun

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Statement is one that a handler has queued: it runs in the transaction that ends the handler's run. Make it with
// NewStatement.
type Statement struct {
	SQL  string
	Args []any
}

// NewStatement returns a statement that can be queued, or an error that wraps ErrNotQueueable. Named arguments
// (pgx.NamedArgs, or another pgx.QueryRewriter) are put in their places, without a connection.
func NewStatement(ctx context.Context, sql string, args ...any) (Statement, error) {
	if rewriter := rewriterOf(args); rewriter != nil {
		var err error
		if sql, args, err = rewriter.RewriteQuery(ctx, nil, sql, args[1:]); err != nil {
			return Statement{}, fmt.Errorf("%w: %w", ErrNotQueueable, err)
		}
	}
	s := Statement{SQL: sql, Args: args}
	return s, s.check()
}

// rewriterOf returns what pgx would have rewrite a statement with these arguments, or nil.
func rewriterOf(args []any) pgx.QueryRewriter {
	if len(args) == 0 {
		return nil
	}
	rewriter, _ := args[0].(pgx.QueryRewriter)
	return rewriter
}

// Queued is the end of a run together with the statements whose effects belong to it.
type Queued struct {
	Result
	Statements []Statement
}

// Fate is what became of one end in a group of them.
type Fate uint8

// The fates.
const (
	Fenced  Fate = iota // the attempt no longer owns its run: nothing of it was done (I9)
	Landed              // its effects and its end are committed
	Refused             // one of its statements failed, and nothing of it was done: see the error
	Later               // nothing of it was done, for want of time: send it again
	Alone               // nothing of it was done: it is to be sent by itself, with FinishAlone
)

// String returns the word for the fate.
func (f Fate) String() string {
	switch f {
	case Fenced:
		return "fenced"
	case Landed:
		return "landed"
	case Refused:
		return "refused"
	case Later:
		return "later"
	case Alone:
		return "alone"
	default:
		return fmt.Sprintf("fate %d", uint8(f))
	}
}

// Settled is the ledger's answer about one end in a group.
type Settled struct {
	Fate Fate
	Err  error // why it was refused; nil otherwise
}

// StatementError is a queued statement's own error: it was not carried out, and nothing of its job was.
type StatementError struct {
	Number int // of the statement among its job's, from 1
	Err    error
}

// Error names the statement by its number, and never by its text or arguments.
func (e *StatementError) Error() string {
	return fmt.Sprintf("queued statement %d: %v", e.Number, e.Err)
}

// Unwrap returns the database's error, or that of encoding an argument.
func (e *StatementError) Unwrap() error { return e.Err }

// ErrNotQueueable says that a statement cannot run beside those of other jobs: it would end their transaction, change
// the session that they share, or is no statement. Do such things in a transaction of the job's own.
var ErrNotQueueable = errors.New("not a statement that can be queued")

// queueable are the words that a queued statement may begin with. All else might end the transaction, outlive it in the
// session, or talk another protocol (copy).
var queueable = []string{
	"select", "insert", "update", "delete", "merge", "with", "values", "table", "call", "do", "notify", "lock", "truncate",
	"create", "alter", "drop", "comment", "grant", "revoke", "refresh", "set",
}

// check returns an error that wraps ErrNotQueueable unless the statement can be queued.
func (s Statement) check() error {
	word := firstWord(s.SQL)
	switch {
	case word == "":
		return fmt.Errorf("%w: there is none", ErrNotQueueable)
	case !slices.Contains(queueable, word):
		return fmt.Errorf("%w: it begins with %q", ErrNotQueueable, OneLine(word, 20))
	case rewriterOf(s.Args) != nil:
		return fmt.Errorf("%w: its arguments would make another of it", ErrNotQueueable)
	default:
		return nil
	}
}

// firstWord returns the keyword that a statement begins with, in lower case.
func firstWord(sql string) string {
	sql = afterComments(sql)
	end := strings.IndexFunc(sql, func(r rune) bool { return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') })
	if end < 0 {
		end = len(sql)
	}
	return strings.ToLower(sql[:end])
}

// afterComments cuts what may stand before the first keyword: space, comments (the long ones nest) and parentheses.
func afterComments(sql string) string {
	for {
		sql = strings.TrimLeft(sql, " \t\r\n\f\v(")
		switch {
		case strings.HasPrefix(sql, "--"):
			_, sql, _ = strings.Cut(sql, "\n")
		case strings.HasPrefix(sql, "/*"):
			sql = afterLongComment(sql)
		default:
			return sql
		}
	}
}

func afterLongComment(sql string) string {
	for depth := 0; ; {
		open, closed := strings.Index(sql, "/*"), strings.Index(sql, "*/")
		switch {
		case closed < 0:
			return "" // it never ends
		case open >= 0 && open < closed:
			depth, sql = depth+1, sql[open+2:]
		default:
			if depth, sql = depth-1, sql[closed+2:]; depth == 0 {
				return sql
			}
		}
	}
}

// setters are the first words of statements that change settings, or may: what a block or a procedure does is not seen in
// the text.
var setters = []string{"set", "do", "call"}

// changesSettings reports whether a job's statements may change settings, which its neighbours would inherit: such a job
// runs by itself.
func (q Queued) changesSettings() bool {
	return slices.ContainsFunc(q.Statements, func(s Statement) bool {
		return slices.Contains(setters, firstWord(s.SQL)) || containsFold(s.SQL, "set_config")
	})
}

// containsFold is strings.Contains for a lower-case word without regard to case.
func containsFold(text, word string) bool {
	for i := 0; i+len(word) <= len(text); i++ {
		if text[i]|0x20 == word[0] && strings.EqualFold(text[i:i+len(word)], word) {
			return true
		}
	}
	return false
}
