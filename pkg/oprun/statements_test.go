package oprun

import (
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"oprun.example/internal/devstack"
)

// statementNames are the statements, each the name of its file without .sql.
func statementNames(t testing.TB) []string {
	t.Helper()
	names, err := fs.Glob(sqlFiles, "sql/*.sql")
	must(t, err)
	for i, name := range names {
		names[i] = strings.TrimSuffix(strings.TrimPrefix(name, "sql/"), ".sql")
	}
	return names
}

func TestStatements(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("statements.go")
	must(t, err)
	conn, err := pgx.Connect(t.Context(), devstack.Database(t))
	must(t, err)
	t.Cleanup(func() { must(t, conn.Close(t.Context())) })
	header := regexp.MustCompile(`^-- [A-Z][a-z ]+\S`)
	for _, name := range statementNames(t) {
		text := statement(name)
		if !header.MatchString(text) {
			t.Errorf("%s.sql does not begin with what it decides, answers or records", name)
		}
		if !strings.Contains(string(source), `statement("`+name+`")`) {
			t.Errorf("%s.sql is not the text of any variable", name)
		}
		if _, err := conn.Prepare(t.Context(), name, text); err != nil {
			t.Errorf("%s.sql cannot be prepared: %v", name, err)
		}
	}
	for form, text := range map[string]string{"on conflict do nothing": claimTolerantSQL, "union all select": finishAloneSQL} {
		if _, err := conn.Prepare(t.Context(), form, text); err != nil {
			t.Errorf("the form with %q cannot be prepared: %v", form, err)
		}
		if !strings.Contains(text, "\n"+form) {
			t.Errorf("%q is still a comment", form)
		}
	}
}

// TestLockOrder reads the statements: whatever locks or inserts many rows does so in an order that all of them share.
// Sorting the batch in Go would not be enough.
func TestLockOrder(t *testing.T) {
	t.Parallel()
	takes := regexp.MustCompile(`\b(for (no key )?update|for share|insert into)\b`)
	orders := regexp.MustCompile(`\border by (r\.id|f\.id|x\.id|d\.id|r\.due_at|f\.due_at|t\.id|d\.type|h\.id|l\.id|a\.id|q\.id|d\.hash, d\.id|d\.stream, d\.seq)\b`)
	single := []string{"add_tenant", "add_workspace", "ensure_queued", "ensure_follow_up", "keep_input", "take_spare", "cancel", "promote_orphan", "record_delivery", "retry", "fired"}
	for _, name := range statementNames(t) {
		text := regexp.MustCompile(`(?m)--.*$`).ReplaceAllString(statement(name), "")
		if n := len(takes.FindAllString(text, -1)); n > len(orders.FindAllString(text, -1)) && !slices.Contains(single, name) {
			t.Errorf("%s.sql locks or inserts rows in %d places, and not in order in all of them", name, n)
		}
	}
}
