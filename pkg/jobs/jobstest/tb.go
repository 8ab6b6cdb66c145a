package jobstest

import (
	"fmt"
	"io"
	"os"
	"runtime"

	"oprun.example/internal/devstack"
)

// TB is what a bench needs of a *testing.T, *testing.B or *testing.F.
type TB interface {
	Helper()
	Cleanup(f func())
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// Main runs the tests of a package, and then stops the Postgres that their benches have shared. It is for TestMain, and
// what it returns is for os.Exit. Without it that Postgres dies with the process, and leaves a folder that the next start
// sweeps.
func Main(m interface{ Run() int }) int { return devstack.Run(m) }

// Do runs f outside of a test, for Example functions: what f would have a test report as its failure is printed, where the
// example's Output does not have it.
func Do(f func(t TB)) { do(os.Stdout, f) }

func do(to io.Writer, f func(t TB)) {
	t := &stage{to: to}
	done := make(chan struct{}) // closed when f has returned, or was ended by Fatalf
	go func() {
		defer close(done)
		defer t.clean()
		f(t)
	}()
	<-done
}

// stage is a TB outside of a test.
type stage struct {
	to       io.Writer
	cleanups []func()
}

func (*stage) Helper()            {}
func (s *stage) Cleanup(f func()) { s.cleanups = append(s.cleanups, f) }

func (s *stage) Errorf(format string, args ...any) { fmt.Fprintf(s.to, format+"\n", args...) }

func (s *stage) Fatalf(format string, args ...any) {
	s.Errorf(format, args...)
	runtime.Goexit()
}

func (s *stage) clean() {
	for len(s.cleanups) > 0 {
		last := len(s.cleanups) - 1
		f := s.cleanups[last]
		s.cleanups = s.cleanups[:last]
		f()
	}
}
