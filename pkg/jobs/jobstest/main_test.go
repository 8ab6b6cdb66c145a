package jobstest_test

import (
	"testing"

	"go.uber.org/goleak"

	"oprun.example/internal/devstack"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(devstack.Tests{M: m}) }
