package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
)

const (
	module = "oprun.example"
	root   = "../.."
)

// source is one Go file of the root module.
type source struct {
	path  string // from the root, with slashes
	dir   string // the folder, which is the package
	test  bool
	lines int
	fset  *token.FileSet
	file  *ast.File
}

// imports returns the paths that the file imports.
func (s source) imports() []string {
	var paths []string
	for _, spec := range s.file.Imports {
		if p, err := strconv.Unquote(spec.Path.Value); err == nil {
			paths = append(paths, p)
		}
	}
	return paths
}

// at returns "path:line" of a node.
func (s source) at(node ast.Node) string {
	return s.path + ":" + strconv.Itoa(s.fset.Position(node.Pos()).Line)
}

// length returns how many lines a function's body takes, as funlen counts them: what stands between its braces. The
// steps of a test, t.Run(name, func…) and the like, are functions of their own, and a line of it or two.
func (s source) length(body *ast.BlockStmt) int {
	lines := s.between(body)
	if !s.test {
		return lines
	}
	for _, step := range steps(body) {
		lines -= s.between(step.Body)
	}
	return lines
}

func (s source) between(body *ast.BlockStmt) int {
	return max(1, s.fset.Position(body.Rbrace).Line-s.fset.Position(body.Lbrace).Line-1)
}

// steps returns the functions that a body hands to others, such as t.Run; outermost only.
func steps(body *ast.BlockStmt) (found []*ast.FuncLit) {
	ast.Inspect(body, func(n ast.Node) bool {
		step, ok := n.(*ast.FuncLit)
		if ok {
			found = append(found, step)
		}
		return !ok
	})
	return found
}

var allSources = sync.OnceValues(func() ([]source, error) {
	var all []source
	fset := token.NewFileSet()
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return skip(name, entry, err)
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		s, err := parse(fset, name)
		all = append(all, s)
		return err
	})
	return all, err
})

// sources returns every Go file of the root module, whatever its build tags. Files are read with os.ReadFile, which
// the test cache notices: a change anywhere runs these tests again.
func sources(t *testing.T) []source {
	t.Helper()
	all, err := allSources()
	if err != nil {
		t.Fatalf("read the sources: %v", err)
	}
	return all
}

// skip leaves out hidden folders, test data and modules of their own.
func skip(name string, entry fs.DirEntry, err error) error {
	if err != nil || name == root {
		return err
	}
	_, noModule := os.Stat(filepath.Join(name, "go.mod"))
	if strings.HasPrefix(entry.Name(), ".") || entry.Name() == "testdata" || noModule == nil {
		return filepath.SkipDir
	}
	return nil
}

func parse(fset *token.FileSet, name string) (source, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return source{}, err
	}
	file, err := parser.ParseFile(fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return source{}, err
	}
	rel, err := filepath.Rel(root, name)
	rel = filepath.ToSlash(rel)
	return source{
		path: rel, dir: path.Dir(rel), test: strings.HasSuffix(rel, "_test.go"),
		lines: strings.Count(string(text), "\n"), fset: fset, file: file,
	}, err
}

// functions calls each for every function and method of the file, with its name as in "(*Worker).Run".
func (s source) functions(each func(name string, body *ast.BlockStmt)) {
	for _, decl := range s.file.Decls {
		if fn, ok := decl.(*ast.FuncDecl); ok && fn.Body != nil {
			s.eachStep(functionName(fn), fn.Body, each)
		}
	}
}

// eachStep visits a function and, in a test, the steps in it.
func (s source) eachStep(name string, body *ast.BlockStmt, each func(name string, body *ast.BlockStmt)) {
	each(name, body)
	if !s.test {
		return
	}
	for i, step := range steps(body) {
		s.eachStep(name+"/"+strconv.Itoa(i+1), step.Body, each)
	}
}

func functionName(fn *ast.FuncDecl) string {
	if fn.Recv == nil || len(fn.Recv.List) == 0 {
		return fn.Name.Name
	}
	receiver, star := fn.Recv.List[0].Type, false
	if pointer, ok := receiver.(*ast.StarExpr); ok {
		receiver, star = pointer.X, true
	}
	name := typeName(receiver)
	if star {
		name = "(*" + name + ")"
	}
	return name + "." + fn.Name.Name
}

// typeName returns the name of a receiver's type, without its type parameters.
func typeName(receiver ast.Expr) string {
	switch r := receiver.(type) {
	case *ast.StarExpr:
		return typeName(r.X)
	case *ast.IndexExpr:
		return typeName(r.X)
	case *ast.IndexListExpr:
		return typeName(r.X)
	case *ast.Ident:
		return r.Name
	default:
		return ""
	}
}
