package jobstest_test

import (
	"testing"

	"go.uber.org/goleak"

	"oprun.example/pkg/jobs/jobstest"
)

// tests are these, run as a user's TestMain runs them.
type tests struct{ m *testing.M }

func (t tests) Run() int { return jobstest.Main(t.m) }

func TestMain(m *testing.M) { goleak.VerifyTestMain(tests{m}) }
