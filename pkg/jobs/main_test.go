package jobs

import (
	"flag"
	"os"
	"testing"

	"go.uber.org/goleak"

	"oprun.example/internal/devstack"
)

func TestMain(m *testing.M) {
	if story := os.Getenv(childStory); story != "" {
		os.Exit(beChild(story))
	}
	// These tests wait for leases and redeliveries more than they work.
	if err := flag.Set("test.parallel", "12"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(devstack.Tests{M: m})
}
