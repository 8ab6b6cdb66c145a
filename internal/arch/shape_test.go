package arch

import (
	"go/ast"
	"go/token"
	"regexp"
	"slices"
	"strconv"
	"testing"
)

const (
	maxFileLines     = 300
	maxFunctionLines = 70
	medianBelow      = 10
)

// longFiles and longFunctions are the exceptions, each with its reason. An entry that is no longer needed fails.
var (
	longFiles     = map[string]string{} // path → reason
	longFunctions = map[string]string{} // "path: name" → reason
)

func TestFilesAreOneIdea(t *testing.T) {
	t.Parallel()
	excused := map[string]bool{}
	for _, s := range sources(t) {
		if s.lines <= maxFileLines {
			continue
		}
		if longFiles[s.path] == "" {
			t.Errorf("%s: %d lines, over %d: find the second idea in it and give that a file, or write the reason into longFiles", s.path, s.lines, maxFileLines)
		}
		excused[s.path] = true
	}
	checkExcuses(t, "longFiles", longFiles, excused)
}

func TestFunctionsAreShort(t *testing.T) {
	t.Parallel()
	excused := map[string]bool{}
	for _, s := range sources(t) {
		s.functions(func(name string, fn *ast.BlockStmt) {
			lines, key := s.length(fn), s.path+": "+name
			if lines <= maxFunctionLines {
				return
			}
			if longFunctions[key] == "" {
				t.Errorf("%s: %s takes %d lines, over %d: name its steps and make them functions, or write the reason into longFunctions", s.at(fn), name, lines, maxFunctionLines)
			}
			excused[key] = true
		})
	}
	checkExcuses(t, "longFunctions", longFunctions, excused)
}

func checkExcuses(t *testing.T, table string, reasons map[string]string, needed map[string]bool) {
	t.Helper()
	for key := range reasons {
		if !needed[key] {
			t.Errorf("%s excuses %q, which needs no excuse: remove the entry", table, key)
		}
	}
}

func TestFunctionsAreShortInTheMedian(t *testing.T) {
	t.Parallel()
	var lengths []int
	for _, s := range sources(t) {
		if s.test {
			continue
		}
		s.functions(func(_ string, fn *ast.BlockStmt) { lengths = append(lengths, s.length(fn)) })
	}
	if len(lengths) == 0 {
		t.Fatal("there are no functions")
	}
	slices.Sort(lengths)
	median := lengths[len(lengths)/2]
	t.Logf("%d functions, %d lines in the median, %d at most", len(lengths), median, lengths[len(lengths)-1])
	if median >= medianBelow {
		t.Errorf("the median function takes %d lines, want fewer than %d", median, medianBelow)
	}
}

func TestExportedNamesAreDocumented(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		if s.test || s.file.Name.Name == "main" {
			continue
		}
		for _, decl := range s.file.Decls {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				checkFunctionDoc(t, s, d)
			case *ast.GenDecl:
				checkGroupDoc(t, s, d)
			}
		}
	}
}

func checkFunctionDoc(t *testing.T, s source, fn *ast.FuncDecl) {
	t.Helper()
	onHidden := fn.Recv != nil && !ast.IsExported(typeName(fn.Recv.List[0].Type))
	if fn.Name.IsExported() && !onHidden && fn.Doc.Text() == "" {
		undocumented(t, s, fn, functionName(fn))
	}
}

// checkGroupDoc takes the comment of a group of constants or variables for all of them; a type speaks for itself.
func checkGroupDoc(t *testing.T, s source, group *ast.GenDecl) {
	t.Helper()
	for _, spec := range group.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			if spec.Name.IsExported() && spec.Doc.Text() == "" && (group.Lparen != token.NoPos || group.Doc.Text() == "") {
				undocumented(t, s, spec, spec.Name.Name)
			}
		case *ast.ValueSpec:
			for _, name := range spec.Names {
				if name.IsExported() && spec.Doc.Text() == "" && spec.Comment.Text() == "" && group.Doc.Text() == "" {
					undocumented(t, s, name, name.Name)
				}
			}
		}
	}
}

func undocumented(t *testing.T, s source, node ast.Node, name string) {
	t.Helper()
	t.Errorf("%s: %s is exported and has no comment: say what it does and what its caller must know, or do not export it", s.at(node), name)
}

func TestEveryPackageIsExplained(t *testing.T) {
	t.Parallel()
	explained := map[string]bool{}
	for _, s := range sources(t) {
		if !s.test {
			explained[s.dir] = explained[s.dir] || s.file.Doc.Text() != ""
		}
	}
	for dir, ok := range explained {
		if !ok {
			t.Errorf("%s: no package comment: say in one sentence what it owns, in doc.go", dir)
		}
	}
}

func TestNothingSleeps(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		ast.Inspect(s.file, func(node ast.Node) bool {
			call, ok := node.(*ast.SelectorExpr)
			if !ok || call.Sel.Name != "Sleep" {
				return true
			}
			if pkg, ok := call.X.(*ast.Ident); ok && pkg.Name == "time" {
				t.Errorf("%s: time.Sleep: wait for a fact under a deadline, with a timer that a context can end, or in testing/synctest", s.at(call))
			}
			return true
		})
	}
}

// sqlText recognises statements, and not prose that begins with such a word.
var sqlText = regexp.MustCompile(`(?is)^\s*(--[^\n]*\n\s*)*(` +
	`select\s+(.*\sfrom\s|[a-z_.]+\()|insert\s+into\s|update\s+[a-z_."]+\s+(as\s+\w+\s+)?set\s|delete\s+from\s|` +
	`with\s+(recursive\s+)?\w+\s*(\([^)]*\)\s*)?as\s+(not\s+|materialized\s*)*\(|merge\s+into\s|truncate\s+(table\s)?[a-z_."]+\s*;?\s*$|` +
	`(create|alter|drop)\s+(or\s+replace\s+|unique\s+)?(table|index|schema|view|role|database|type|function|extension)\s)`)

// sqlPlaces keep their few lines of SQL in Go. Everywhere else a statement is a file that psql can run. The demo and the
// torture are users' programs, with tables of their own, and audit the ledger from outside.
var sqlPlaces = []string{"migrations", "internal/devstack", "internal/demo", "internal/torture"}

func TestSQLLivesInFiles(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		if s.test || slices.Contains(sqlPlaces, s.dir) {
			continue
		}
		ast.Inspect(s.file, func(node ast.Node) bool {
			literal, ok := node.(*ast.BasicLit)
			if !ok || literal.Kind != token.STRING {
				return true
			}
			if text, err := strconv.Unquote(literal.Value); err == nil && sqlText.MatchString(text) {
				t.Errorf("%s: SQL in Go: %.40q: make it a file that is embedded, as in pkg/oprun/sql", s.at(literal), text)
			}
			return true
		})
	}
}

func TestSQLIsToldFromProse(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"select id from oprun.operation_runs": true, "\n-- why\nSELECT now()": true, "insert into effects values ($1)": true,
		"update oprun.operation_runs set status = $1": true, "update t as r set x = 1": true, "delete from x": true,
		"with due as (select 1) select * from due": true, "create table x (id int)": true, "drop schema x": true, "truncate oprun.runs": true,
		"with a, b as materialized (select 1)": false, "with due as materialized (select 1) select 1": true,
		"select a tenant": false, "update the catalogue": false, "with the run's token": false, "delete the stream": false,
		"create the stream": false, "truncate the text here": false, "selected from": false, "create table": false,
	} {
		if got := sqlText.MatchString(text); got != want {
			t.Errorf("%q is taken for SQL: %t", text, got)
		}
	}
}
